/** A registry whose process dies at any moment: what it has acknowledged stays, and nothing is left half done. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inLanes } from '../support/lanes.ts';
import { checkReady, checkReleases, checkStores, leftoversIn } from '../support/registry-check.ts';
import { ReleaseLedger } from '../support/release-ledger.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { ADMIN_TOKEN, cairnCommand } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startTraffic } from '../support/traffic.ts';
import { expectWorkingRegistry, startOwn } from '../support/working-registry.ts';

const KILLS = Number(process.env['CAIRN_KILLS'] ?? 200);
/** Registries side by side: while one starts, which is most of a round, another one works. */
const LANES = 2;
const FIRST_START_SHARE = 0.1;
const RECOVERY_CHANCE = 0.12;
const KILLS_BETWEEN_FULL_CHECKS = 20;
const LONGEST_BURST_MS = 100;
const MOST_FIRST_ANSWERS = 30;
/** From the first trace of a start to `listening` and a little beyond. */
const LONGEST_START_MS = 350;
const SAMPLE = 20;

const seed = chooseSeed();
const firstStartKills = Math.ceil(KILLS * FIRST_START_SHARE);

test(`a registry survives ${KILLS - firstStartKills} kills in the middle of publishes and yanks`, async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const kills = Math.ceil((KILLS - firstStartKills) / LANES);
  await inLanes(LANES, (lane) => killAgainAndAgain(t, { kills, random: seededRandom(seed + lane) }));
});

test(`${firstStartKills} kills during the first start leave a whole registry or none`, async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const random = seededRandom(seed + LANES);
  let kills = 0;
  await inLanes(LANES, async () => {
    while (kills < firstStartKills) {
      const data = join(await temporaryDirectory(t), 'data');
      // Also one after the other, on what the earlier one left.
      for (let again = random.below(3); again >= 0; again -= 1) {
        kills += 1;
        await killDuringStart(data, random);
      }
      await expectWorkingRegistry(t, data, random);
      assert.deepEqual(await leftoversIn(data), []);
    }
  });
});

interface Lane {
  readonly kills: number;
  readonly random: SeededRandom;
}

async function killAgainAndAgain(t: TestContext, { kills, random }: Lane): Promise<void> {
  const data = await temporaryDirectory(t);
  const ledger = new ReleaseLedger();
  const unknown = { happened: 0, didNot: 0 };
  let fullCheckDue = KILLS_BETWEEN_FULL_CHECKS;
  let server = await startOwn(t, { data });
  for (let kill = 1; kill <= kills; kill += 1) {
    const traffic = startTraffic(server.url, { ledger, random });
    await traffic.answered(random.below(MOST_FIRST_ANSWERS));
    await pause(random.below(LONGEST_BURST_MS));
    await server.kill();
    await traffic.broken;
    if (kill < kills && random.chance(RECOVERY_CHANCE)) {
      kill += 1;
      await killDuringStart(data, random);
    }
    server = await startOwn(t, { data });
    await checkReady(server.url);
    const isFull = kill >= fullCheckDue;
    const touched = ledger.takeTouched();
    const looked = isFull ? ledger.releases : [...touched, ...random.sample(ledger.releases, SAMPLE)];
    const open = new Set(ledger.uncertain);
    for (const [release, state] of await checkReleases(server.url, ledger.possible, new Set(looked))) {
      if (open.has(release))
        unknown[[...ledger.statesOf(release)].at(-1) === state ? 'happened' : 'didNot'] += 1;
      ledger.settle(release, state);
    }
    if (!isFull) continue;
    await checkStores(data);
    fullCheckDue += KILLS_BETWEEN_FULL_CHECKS;
  }
  await checkReleases(server.url, ledger.possible);
  assert.equal(await server.stop(), 0);
  await checkStores(data);
  assert.deepEqual(await leftoversIn(data), []);
  t.diagnostic(
    `${kills} kills, ${ledger.acknowledged} writes acknowledged and there; of those without an answer ` +
      `${unknown.happened} had happened and ${unknown.didNot} had not`,
  );
}

/** Kills a start at some moment between its first trace on the disk and a little after `listening`. */
async function killDuringStart(data: string, random: SeededRandom): Promise<void> {
  const before = changeTimeOf(data);
  const child = spawn(
    process.execPath,
    [...cairnCommand, 'serve', '--data', data, '--listen', '127.0.0.1:0'],
    { env: { ...process.env, CAIRN_ADMIN_TOKEN: ADMIN_TOKEN }, stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  while (child.exitCode === null && changeTimeOf(data) === before) await pause(2);
  await pause(random.below(LONGEST_START_MS));
  assert.equal(child.exitCode, null, 'the server ended by itself');
  child.kill('SIGKILL');
  await exited;
}

function changeTimeOf(directory: string): number | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.mtimeMs;
}
