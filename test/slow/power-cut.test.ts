/** A registry whose machine loses power: what it has acknowledged is on the disk, and the rest heals without help. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inLanes } from '../support/lanes.ts';
import { openPowerCutDisk, powerCutUnavailable, type CutFileSystem } from '../support/power-cut-disk.ts';
import { checkReady, checkReleases, checkStores } from '../support/registry-check.ts';
import { ReleaseLedger, type Possible } from '../support/release-ledger.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { startServer } from '../support/server-process.ts';
import { endTheBoot } from '../support/reboot.ts';
import { publish, startTraffic } from '../support/traffic.ts';
import { expectWorkingRegistry, startOwn } from '../support/working-registry.ts';
import { packX07 } from '../support/x07-package.ts';

const CUTS = Number(process.env['CAIRN_CUTS'] ?? 30);
const cuts = { ext4: CUTS, btrfs: Math.ceil(CUTS / 3) } satisfies Record<CutFileSystem, number>;
const firstStartCuts = { ext4: 6, btrfs: 2 } satisfies Record<CutFileSystem, number>;
/** Disks side by side. */
const LANES = 2;
const MOST_FIRST_ANSWERS = 20;
const LONGEST_BURST_MS = 100;
/** From the first trace of a first start to `listening` and a little beyond. */
const LONGEST_START_MS = 350;

const seed = chooseSeed();

for (const fileSystem of ['ext4', 'btrfs'] as const) {
  const skip = (await powerCutUnavailable(fileSystem)) ?? false;

  test(
    `a registry on ${fileSystem} survives ${cuts[fileSystem]} power cuts in the middle of publishes and yanks`,
    { skip },
    async (t) => {
      t.diagnostic(`CAIRN_SEED=${seed}`);
      const each = Math.ceil(cuts[fileSystem] / LANES);
      await inLanes(LANES, (lane) =>
        cutAgainAndAgain(t, { fileSystem, cuts: each, random: seededRandom(seed + lane) }),
      );
    },
  );

  test(
    `${firstStartCuts[fileSystem]} power cuts during a first start on ${fileSystem} leave a whole registry or none`,
    { skip },
    async (t) => {
      t.diagnostic(`CAIRN_SEED=${seed}`);
      const random = seededRandom(seed + LANES);
      await inLanes(LANES, async () => {
        for (let cut = 0; cut < firstStartCuts[fileSystem] / LANES; cut += 1)
          await cutFirstStart(t, fileSystem, random);
      });
    },
  );

  test(`the token that a first start prints survives a power cut on ${fileSystem}`, { skip }, async (t) => {
    const disk = await openPowerCutDisk({ fileSystem });
    t.after(() => disk.close());
    const first = await startOwn(t, { data: join(disk.directory, 'data'), withAdminToken: false });
    const image = await disk.cut();
    const token = first.output.map((line) => line.trim()).find((line) => line.startsWith('cairn_'));
    const data = join(image.directory, 'data');
    endTheBoot(data);
    const second = await startOwn(t, { data, withAdminToken: false });
    const published = await publish(second.url, packX07({ name: 'acme-hello', version: '1.0.0' }), token);
    assert.equal(published.status, 200, await published.text());
    await second.stop();
  });
}

interface Lane {
  readonly fileSystem: CutFileSystem;
  readonly cuts: number;
  readonly random: SeededRandom;
}

async function cutAgainAndAgain(t: TestContext, { fileSystem, cuts, random }: Lane): Promise<void> {
  const disk = await openPowerCutDisk({ fileSystem });
  t.after(() => disk.close());
  const ledger = new ReleaseLedger();
  const server = await startOwn(t, { data: join(disk.directory, 'data') });
  for (let cut = 1; cut <= cuts; cut += 1) {
    const traffic = startTraffic(server.url, { ledger, random });
    await traffic.answered(random.below(MOST_FIRST_ANSWERS));
    await pause(random.below(LONGEST_BURST_MS));
    // What was acknowledged up to here has to be there; what is asked for from here on may be.
    const recording = ledger.record();
    const image = await disk.cut();
    const possible = recording.stop();
    await traffic.stop();
    await checkAfterReboot(t, join(image.directory, 'data'), possible);
    await image.close();
  }
  await server.kill();
  t.diagnostic(`${cuts} cuts, ${ledger.acknowledged} writes acknowledged`);
}

async function checkAfterReboot(t: TestContext, data: string, possible: Possible): Promise<void> {
  endTheBoot(data);
  const server = await startOwn(t, { data });
  await checkReady(server.url);
  await checkReleases(server.url, possible);
  // The start has healed the site: before it stops, a server at rest has nothing left to do.
  await checkStores(data);
  assert.equal(await server.stop(), 0);
}

async function cutFirstStart(t: TestContext, fileSystem: CutFileSystem, random: SeededRandom): Promise<void> {
  const disk = await openPowerCutDisk({ fileSystem });
  t.after(() => disk.close());
  const data = join(disk.directory, 'data');
  const starting = startServer({ data });
  while (!existsSync(data)) await pause(2);
  await pause(random.below(LONGEST_START_MS));
  const image = await disk.cut();
  await (await starting).kill();
  const imageData = join(image.directory, 'data');
  endTheBoot(imageData);
  await expectWorkingRegistry(t, imageData, random);
  await disk.close();
}
