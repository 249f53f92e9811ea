/** The API of a registry on disk, in this process and without `serve`: for tests that put another store below it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createApp, type AppDeps, type RequestRecord } from '../../api/app.ts';
import { ADMINISTRATOR, authenticator } from '../../api/auth.ts';
import { createMetrics } from '../../api/metrics.ts';
import { LogInSessions } from '../../core/log-in-sessions.ts';
import type { Scope } from '../../core/permission.ts';
import { mountsOf } from '../../bin/options.ts';
import {
  createRegistry,
  openRegistry,
  randomIds as ids,
  systemClock as clock,
  type Registry,
} from '../../bin/open-registry.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { accessTokensOf } from './access-tokens.ts';
import { checkExchanges } from './openapi-check.ts';
import { ADMIN_TOKEN } from './server-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import type { TestServer } from './test-server.ts';
import { packX07 } from './x07-package.ts';

export interface RegistryApp extends TestServer {
  readonly registry: Registry;
  /** What the program would write to its log. */
  readonly records: readonly RequestRecord[];
  readonly errors: readonly unknown[];
  /** The secret of a new token. */
  tokenOf(handle: string, scopes: readonly Scope[]): Promise<string>;
}

export type Over = Partial<Pick<AppDeps, 'site' | 'blobs' | 'redirects' | 'visible'>>;

/** What it answers is held against the API's document when the test ends. `over` may replace what it is made of. */
export async function openRegistryApp(
  t: Pick<TestContext, 'after'>,
  over: (registry: Registry, data: string) => Over = () => ({}),
  { isDescribed = true }: { readonly isDescribed?: boolean } = {},
): Promise<RegistryApp> {
  const data = await temporaryDirectory(t);
  const registry = await openRegistry({ dataDirectory: data });
  t.after(() => registry.close());
  const { state, writer, blobs, uploads, siteReader, publisher, accounts, keys, counters, log } = registry;
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await createRegistry(registry, { publicUrl: url, mounts: mountsOf(undefined, {}) });
  await registry.generator.update();
  await registry.generator.updateRoots();
  publisher.notify();
  const administrator = { handle: ADMINISTRATOR, token: ADMIN_TOKEN };
  const accessTokens = accessTokensOf({ accounts, clock, ids, administrator, issuer: () => url });
  const records: RequestRecord[] = [];
  const errors: unknown[] = [];
  const app = createApp({
    surfaces: allSurfaces,
    log,
    state,
    writer,
    blobs,
    uploads,
    site: siteReader,
    auth: authenticator({
      accounts,
      accessTokens,
      clock,
      administratorToken: ADMIN_TOKEN,
      bootstrapSecret: undefined,
    }),
    counters,
    metrics: createMetrics(
      { queueDepth: () => 0, logEvents: () => 0, siteEvents: () => 0, siteAgeSeconds: () => 0 },
      '0',
    ),
    corsOrigins: [],
    version: '0',
    accounts,
    accessTokens,
    keyring: keys,
    ids,
    logIns: new LogInSessions({ clock, ids }),
    clock,
    visible: (seq) => publisher.visible(seq),
    health: () => ({ ready: true, problems: [], events: state.length, onSite: publisher.status.seq }),
    onRequest: (record) => records.push(record),
    onError: (error) => errors.push(error),
    ...over(registry, data),
  });
  server.on('request', app);
  t.after(async () => {
    try {
      if (isDescribed) await checkExchanges(url);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
  const x07 = `${url}/x07`;
  return {
    url,
    x07,
    data,
    registry,
    records,
    errors,
    publish: (wanted, token = ADMIN_TOKEN) =>
      fetch(`${x07}/v1/packages/publish`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: Buffer.isBuffer(wanted) ? wanted : packX07(wanted),
      }),
    tokenOf: async (handle, scopes) =>
      (await accounts.createToken('cairn_', { handle, label: '', scopes })).token,
  };
}
