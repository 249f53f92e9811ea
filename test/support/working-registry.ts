import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { checkReady, checkReleases, checkStores } from './registry-check.ts';
import { ReleaseLedger } from './release-ledger.ts';
import type { SeededRandom } from './seeded-random.ts';
import { startServer, type ServerProcess, type StartOptions } from './server-process.ts';
import { startTraffic } from './traffic.ts';

/** A server that is dead when the test is over, however that ends. */
export async function startOwn(t: Pick<TestContext, 'after'>, options: StartOptions): Promise<ServerProcess> {
  const server = await startServer(options);
  t.after(() => server.kill());
  return server;
}

/** Whatever the data directory has been through, a server starts on it, takes writes, stops, and all is in order. */
export async function expectWorkingRegistry(
  t: Pick<TestContext, 'after'>,
  data: string,
  random: SeededRandom,
): Promise<void> {
  const server = await startOwn(t, { data });
  const ledger = new ReleaseLedger();
  const traffic = startTraffic(server.url, { ledger, random });
  await traffic.answered(3);
  await traffic.stop();
  await checkReady(server.url);
  await checkReleases(server.url, ledger.possible);
  assert.equal(await server.stop(), 0);
  await checkStores(data);
}
