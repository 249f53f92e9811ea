/** A registry in a bucket whose process dies at any moment: what it has acknowledged stays, and the next start waits for nobody. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { cairn } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { checkAtRest, checkReleases } from '../support/registry-check.ts';
import { ReleaseLedger } from '../support/release-ledger.ts';
import { openS3Server } from '../support/s3-server.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startTraffic } from '../support/traffic.ts';
import { startOwn } from '../support/working-registry.ts';

const KILLS = Number(process.env['CAIRN_BUCKET_KILLS'] ?? 20);
const LONGEST_BURST_MS = 100;
const MOST_FIRST_ANSWERS = 10;
const PATIENCE_MS = 60_000;

test(`a registry in a bucket survives ${KILLS} kills in the middle of publishes and yanks`, async (t) => {
  const seed = chooseSeed();
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const [random, ledger, s3] = [seededRandom(seed), new ReleaseLedger(), await openS3Server(t)];
  const data = join(await temporaryDirectory(t), 'data');
  const env = {
    ...s3.environment,
    CAIRN_BUCKET: `s3://${s3.bucket}`,
    CAIRN_S3_ENDPOINT: s3.endpoint,
    CAIRN_S3_PATH_STYLE: 'true',
  };
  let claims = 0;
  let server = await startOwn(t, { data, env });
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const traffic = startTraffic(server.url, { ledger, random });
    await traffic.answered(random.below(MOST_FIRST_ANSWERS));
    await pause(random.below(LONGEST_BURST_MS));
    await server.kill();
    await traffic.broken;
    if (isClaimed(s3.objects.get('site/=progress.json')?.bytes)) claims += 1;
    // A claim of somebody of whom nothing is known would stand for three minutes.
    const next = await Promise.race([
      startOwn(t, { data, env }),
      pause(PATIENCE_MS, undefined, { ref: false }),
    ]);
    assert.ok(next, 'it waits for the one that was killed');
    server = next;
    await eventually(() => checkAtRest(next.url), PATIENCE_MS);
    const open = new Set(ledger.uncertain);
    for (const [release, state] of await checkReleases(server.url, ledger.possible))
      if (open.has(release)) ledger.settle(release, state);
  }
  assert.ok(claims > 0, 'no kill came in the middle of a write');
  assert.equal(await server.stop(), 0);
  const check = await cairn(['regen', '--check', '--data', data], { env });
  assert.equal(check.code, 0, check.stdout + check.stderr);
  t.diagnostic(
    `${claims} of ${KILLS} kills in the middle of a write, ${ledger.acknowledged} writes acknowledged and there`,
  );
});

function isClaimed(record: Uint8Array | undefined): boolean {
  return record !== undefined && Buffer.from(record).includes('"holder"');
}
