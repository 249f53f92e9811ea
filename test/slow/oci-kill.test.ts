/** Repositories of a server that dies at every moment of a push: what it has acknowledged stays, and nothing is half there. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inLanes } from '../support/lanes.ts';
import { OciBook } from '../support/oci-book.ts';
import { checkOci, checkOciFiles, checkOciStores } from '../support/oci-check.ts';
import { ociMoments, ociServerEnv, startOciTraffic } from '../support/oci-traffic.ts';
import { checkReady, leftoversIn } from '../support/registry-check.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startOwn } from '../support/working-registry.ts';

/** Of each kind of moment. */
const KILLS_EACH = Math.ceil(Number(process.env['CAIRN_OCI_KILLS'] ?? 36) / ociMoments.length);
/** Registries side by side: while one starts, which is most of a round, another one works. */
const LANES = 2;
/** From right after a request was sent to some time after its answer. */
const LONGEST_WAIT_MS = 25;
const SAMPLE = 20;

const seed = chooseSeed();

test(`repositories survive ${KILLS_EACH * ociMoments.length} kills, some at each moment of a push`, async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  await inLanes(LANES, (lane) => killAtEveryMoment(t, lane, seededRandom(seed + lane)));
});

async function killAtEveryMoment(t: TestContext, lane: number, random: SeededRandom): Promise<void> {
  const data = await temporaryDirectory(t);
  const book = new OciBook();
  const { ledger } = book;
  const outcomes = { happened: 0, didNot: 0 };
  const moments = ociMoments.flatMap((moment) => Array<typeof moment>(KILLS_EACH).fill(moment));
  let server = await startOwn(t, { data, env: ociServerEnv });
  for (const moment of random.sample(moments, moments.length).filter((_, i) => i % LANES === lane)) {
    const traffic = startOciTraffic(server.url, { book, random });
    await traffic.during(moment);
    await pause(random.below(LONGEST_WAIT_MS));
    await server.kill();
    await traffic.broken;
    server = await startOwn(t, { data, env: ociServerEnv });
    await checkReady(server.url);
    const open = new Set(ledger.uncertain);
    const looked = new Set([...open, ...ledger.takeTouched(), ...random.sample(ledger.things, SAMPLE)]);
    const seen = await checkOci(server.url, ledger.possible, looked);
    for (const [about, state] of seen) {
      if (open.has(about))
        outcomes[state === [...ledger.statesOf(about)].at(-1) ? 'happened' : 'didNot'] += 1;
      ledger.settle(about, state);
    }
    book.forgetFinished();
    await checkOciFiles(data, book.states);
  }
  await checkOci(server.url, ledger.possible);
  assert.equal(await server.stop(), 0);
  await checkOciFiles(data, book.states);
  await checkOciStores(data);
  assert.deepEqual(await leftoversIn(data), []);
  t.diagnostic(
    `${ledger.acknowledged} facts acknowledged and there; of those without an answer ` +
      `${outcomes.happened} had come about and ${outcomes.didNot} had not`,
  );
}
