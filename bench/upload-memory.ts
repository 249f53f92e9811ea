/** What large uploads cost in memory: the largest that X07 allows, one after the other until 1 GiB has passed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { packX07 } from '../test/support/x07-package.ts';
import { httpPublisher } from './http-publisher.ts';
import type { Bench } from './measure.ts';
import { peakBytesOf } from './processes.ts';

/** A little below the 64 MiB of the contract. */
const UPLOAD_BYTES = 63 * 1024 * 1024;
const ALLOWED_MEBIBYTES = 64;

export const uploadMemory: Bench = {
  name: 'upload-memory',
  title: 'peak memory of the server while 1 GiB of large uploads passes, above an idle one, against 64 MiB',
  async run({ size, places, scratch, say }) {
    const place = places[0];
    if (!place) return [];
    const uploads = size === 'full' ? 17 : 3;
    const server = await startServer({
      isCompiled: true,
      data: join(scratch(place), 'data'),
      env: { CAIRN_LOG_LEVEL: 'error' },
    });
    const pid = server.child.pid ?? 0;
    const publisher = httpPublisher(`${server.url}/x07`, ADMIN_TOKEN, 1);
    try {
      // A small one first: code that is loaded with the first upload is no memory of the upload.
      await publisher.publish(packX07({ name: 'warm-up', version: '1.0.0' }));
      const idle = peakMebibytes(pid);
      for (let i = 0; i < uploads; i += 1)
        await publisher.publish(
          packX07({
            name: 'large',
            version: `1.0.${i}`,
            extra: [{ path: 'ffi/blob.bin', content: randomBytes(UPLOAD_BYTES) }],
          }),
        );
      const peak = peakMebibytes(pid);
      say(`upload-memory: ${idle.toFixed(0)} MiB idle, ${peak.toFixed(0)} MiB at the peak`);
      return [
        {
          what: `${uploads} uploads of ${UPLOAD_BYTES / 2 ** 20} MiB`,
          unit: 'MiB',
          ours: [peak - idle],
          baseline: [ALLOWED_MEBIBYTES],
          reach: { atMost: 1 },
        },
      ];
    } finally {
      publisher.close();
      await server.stop();
    }
  },
};

function peakMebibytes(pid: number): number {
  return (peakBytesOf(pid) ?? NaN) / 2 ** 20;
}
