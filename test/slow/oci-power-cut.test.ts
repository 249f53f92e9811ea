/** Repositories on a machine that loses power: what was acknowledged is on the disk, and uploads go on where they stood. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inLanes } from '../support/lanes.ts';
import { OciBook, thing, type Conversation, type OciFacts } from '../support/oci-book.ts';
import { checkOci, checkOciFiles, checkOciStores } from '../support/oci-check.ts';
import { finishConversation, ociMoments, ociServerEnv, startOciTraffic } from '../support/oci-traffic.ts';
import { openPowerCutDisk, powerCutUnavailable, type CutFileSystem } from '../support/power-cut-disk.ts';
import { endTheBoot } from '../support/reboot.ts';
import { checkReady } from '../support/registry-check.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { startOwn } from '../support/working-registry.ts';

const CUTS = Number(process.env['CAIRN_OCI_CUTS'] ?? ociMoments.length);
const cuts = { ext4: CUTS, btrfs: Math.ceil(CUTS / 2) } satisfies Record<CutFileSystem, number>;
/** Disks side by side. */
const LANES = 2;
const LONGEST_WAIT_MS = 25;

const seed = chooseSeed();

for (const fileSystem of ['ext4', 'btrfs'] as const)
  test(
    `repositories on ${fileSystem} survive ${cuts[fileSystem]} power cuts at the moments of a push`,
    { skip: (await powerCutUnavailable(fileSystem)) ?? false },
    async (t) => {
      t.diagnostic(`CAIRN_SEED=${seed}`);
      await inLanes(LANES, (lane) =>
        cutAtEveryMoment(t, { fileSystem, lane, random: seededRandom(seed + lane) }),
      );
    },
  );

interface Lane {
  readonly fileSystem: CutFileSystem;
  readonly lane: number;
  readonly random: SeededRandom;
}

async function cutAtEveryMoment(t: TestContext, { fileSystem, lane, random }: Lane): Promise<void> {
  const disk = await openPowerCutDisk({ fileSystem });
  t.after(() => disk.close());
  const book = new OciBook();
  const server = await startOwn(t, { data: join(disk.directory, 'data'), env: ociServerEnv });
  for (let cut = lane; cut < cuts[fileSystem]; cut += LANES) {
    const traffic = startOciTraffic(server.url, { book, random });
    await traffic.during(ociMoments[cut % ociMoments.length] ?? 'manifest');
    await pause(random.below(LONGEST_WAIT_MS));
    // What was acknowledged up to here has to be there; what is asked for from here on may be.
    const recording = book.ledger.record();
    const underWay = [...book.conversations];
    const image = await disk.cut();
    const possible = recording.stop();
    await traffic.stop();
    await checkAfterReboot(t, join(image.directory, 'data'), { possible, underWay });
    await image.close();
  }
  await server.kill();
  t.diagnostic(`${book.ledger.acknowledged} facts acknowledged`);
}

interface Known {
  readonly possible: OciFacts;
  readonly underWay: readonly Conversation[];
}

async function checkAfterReboot(t: TestContext, data: string, { possible, underWay }: Known): Promise<void> {
  endTheBoot(data);
  const server = await startOwn(t, { data, env: ociServerEnv });
  await checkReady(server.url);
  const seen = await checkOci(server.url, possible);
  for (const one of underWay) {
    const upload = thing.upload(one.name, one.id);
    if (seen.get(upload) === 'missing') continue;
    const mayBeTorn = (possible.get(upload)?.size ?? 0) > 1;
    await finishConversation(server.url, one, { mayBeTorn });
  }
  // The start has healed the site: before it stops, a server at rest has nothing left to do.
  await checkOciFiles(data, seen);
  await checkOciStores(data);
  assert.equal(await server.stop(), 0);
}
