/** Uploads whose process dies at any moment, and what of them is on the disk before anybody is told. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { blobFolders } from '../../stores/blob-folders.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { strayFiles } from '../../stores/upload-directory.ts';
import { openS3Server } from '../support/s3-server.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { diskCalls, momentsOf, type Moment } from '../support/sync-order.ts';
import { readCalls, watchingUnavailable } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { UploadLedger } from '../support/upload-ledger.ts';
import { openUploadStores } from '../support/upload-stores.ts';

const KILLS = Math.ceil(Number(process.env['CAIRN_KILLS'] ?? 200) / 10);
const MOST_LINES = 40;
const LONGEST_BURST_MS = 30;

const program = new URL('../support/upload-process.ts', import.meta.url).pathname;
const seed = chooseSeed();

function commandFor(directory: string, ofSeed: number, rounds: number): string[] {
  return ['--import', 'tsx', program, directory, String(ofSeed), String(rounds)];
}

for (const kind of ['directory', 'bucket'] as const)
  test(`uploads to a ${kind} survive ${KILLS} kills: what was acknowledged is there, and goes on`, async (t) => {
    t.diagnostic(`CAIRN_SEED=${seed}`);
    const random = seededRandom(seed);
    const directory = await temporaryDirectory(t);
    const s3 = kind === 'bucket' ? await openS3Server(t) : undefined;
    const address = s3?.address('blobs');
    const ledger = new UploadLedger();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const command = commandFor(directory, seed + kill, Infinity);
      await uploadUntilKilled(t, address ? [...command, JSON.stringify(address)] : command, ledger, {
        lines: 1 + random.below(MOST_LINES),
        ms: random.below(LONGEST_BURST_MS),
      });
      const { root, blobs, uploads } = await openUploadStores(directory, address);
      await ledger.check(uploads, blobs);
      assert.deepEqual(strayFiles(root), []);
      for await (const { digests } of blobFolders(blobs.shelf))
        for (const digest of digests) assert.ok(!s3 || s3.objects.has(`blobs/${blobKey(digest)}`), digest);
    }
    assert.ok(ledger.facts > KILLS);
  });

/** Lets it say so many lines and go on for so long. */
async function uploadUntilKilled(
  t: TestContext,
  command: readonly string[],
  ledger: UploadLedger,
  { lines, ms }: { readonly lines: number; readonly ms: number },
): Promise<void> {
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let said = 0;
  let isDying = false;
  // Also what it said before it died and nobody has read yet.
  for await (const line of createInterface({ input: child.stdout })) {
    ledger.add(line);
    said += 1;
    if (said < lines || isDying) continue;
    isDying = true;
    void pause(ms).then(() => child.kill('SIGKILL'));
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL', 'it has ended by itself');
}

const skip = (await watchingUnavailable()) ?? false;

test('an upload is on the disk, in all its parts, before anybody is told', { skip }, async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const directory = await temporaryDirectory(t);
  const output = join(await temporaryDirectory(t), 'calls');
  const strace = ['-f', '-y', '-o', output, '-e', `trace=${diskCalls.join(',')}`];
  const child = spawn('strace', [...strace, process.execPath, ...commandFor(directory, seed, 40)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.resume();
  await once(child, 'exit');
  const moments = momentsOf(await readCalls(output));
  const isAck = ({ call }: Moment): boolean =>
    /^write\(1.*"(started|appended|held|gone|released) /.test(call);
  const acknowledged = moments.filter(isAck);
  assert.ok(acknowledged.length > 40);
  for (const { call, unsynced } of acknowledged)
    assert.deepEqual(
      unsynced.filter((key) => key.includes(` ${directory}/`)),
      [],
      call,
    );
  // Neither a record nor a blob gets its name before it is whole.
  for (const { call, from, unsynced } of moments)
    if (from?.startsWith(directory)) assert.ok(!unsynced.includes(`bytes ${from}`), call);
});
