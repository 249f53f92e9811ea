/** What large pushes cost in memory, many at once. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { basic } from '../test/support/oci-api.ts';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import type { Bench, Row } from './measure.ts';
import { finishUpload, pushBytes, sendBytes, sendFile, startUpload, type OciSource } from './oci-client.ts';
import { MEBIBYTE, writeNoise } from './oci-image.ts';
import { peakBytesOf, removeTree, residentBytesOf, requireProgram } from './processes.ts';

const PUSHES = 8;
const ALLOWED_MEBIBYTES = 256;

export const ociMemory: Bench = {
  name: 'oci-memory',
  title: `peak memory of the server while ${PUSHES} pushes run at once, above an idle one, against ${ALLOWED_MEBIBYTES} MiB`,
  async run({ size, places, scratch, say }) {
    requireProgram('curl', '--version');
    const rows: Row[] = [];
    for (const place of places) {
      const mebibytes = size === 'full' ? 1024 : 16;
      const home = scratch(place);
      const file = join(home, 'layer');
      await writeNoise(file, mebibytes * MEBIBYTE);
      // All the same but for their beginnings: each is a blob of its own, and one file is enough for all.
      const beginnings = Array.from({ length: PUSHES }, (_, i) => `push ${i}: `);
      const digests = await digestsOf(beginnings, file);
      const data = join(home, 'data');
      const env = { CAIRN_LOG_LEVEL: 'error', CAIRN_ECOSYSTEMS: 'oci' };
      const server = await startServer({ isCompiled: true, data, env });
      const pid = server.child.pid ?? 0;
      try {
        const to = { url: server.url, headers: basic(['admin', ADMIN_TOKEN]) };
        // A small one first: code that is loaded with the first push is no memory of the push.
        await pushBytes(to, 'acme/app', Buffer.from('warm-up'));
        const idle = residentBytesOf(pid) / MEBIBYTE;
        await Promise.all(beginnings.map((beginning, i) => pushFrom(to, beginning, file, digests[i] ?? '')));
        const peak = (peakBytesOf(pid) ?? NaN) / MEBIBYTE;
        say(`oci-memory: ${idle.toFixed(0)} MiB idle, ${peak.toFixed(0)} MiB at the peak, ${place.name}`);
        rows.push({
          what: `${PUSHES} pushes of ${mebibytes} MiB at once, ${place.name}`,
          unit: 'MiB',
          ours: [peak - idle],
          baseline: [ALLOWED_MEBIBYTES],
          reach: { atMost: 1 },
        });
      } finally {
        await server.stop();
        await removeTree(home);
      }
    }
    return rows;
  },
};

async function pushFrom(to: OciSource, beginning: string, file: string, digest: string): Promise<void> {
  const upload = await startUpload(to, 'acme/app');
  const begun = await sendBytes(to, upload, Buffer.from(beginning));
  await finishUpload(to, await sendFile(to, begun, file), digest);
}

async function digestsOf(beginnings: readonly string[], file: string): Promise<string[]> {
  const hashes = beginnings.map((beginning) => createHash('sha256').update(beginning));
  for await (const piece of createReadStream(file, { highWaterMark: MEBIBYTE }))
    for (const hash of hashes) hash.update(piece as Buffer);
  return hashes.map((hash) => `sha256:${hash.digest('hex')}`);
}
