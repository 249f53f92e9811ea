/** The API of a registry in memory with one surface that does with blobs and uploads whatever a call can do. */
import { accessTokensOf } from './access-tokens.ts';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { createApp } from '../../api/app.ts';
import { createMetrics } from '../../api/metrics.ts';
import { renderProblem } from '../../api/problems.ts';
import { AccountBook } from '../../core/account-book.ts';
import { authenticator } from '../../api/auth.ts';
import { CounterModel } from '../../core/counters.ts';
import { asDigest, type Digest } from '../../core/digest.ts';
import { privateLines } from '../../core/event.ts';
import { LogInSessions } from '../../core/log-in-sessions.ts';
import type { FoundFile } from '../../core/ports.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import type { ApiRoute, BlobBody, Call, DocumentedRoute, HttpAnswer } from '../../core/route.ts';
import { RegistryError } from '../../core/errors.ts';
import type { SiteRoute } from '../../core/site.ts';
import type { Surface } from '../../ecosystems/ecosystem.ts';
import { MemoryLog, MemoryTokenUse } from '../../stores/memory.ts';
import { send, type Answer, type Sent } from './http.ts';
import { countedIds, openWorld, someSettings, type World } from './registry.ts';
import { toySurface } from './toy-surface.ts';

export interface BlobApp {
  readonly world: World;
  readonly origin: string;
  readonly errors: readonly unknown[];
  /** Below the mount. */
  ask(path: string, sent?: Sent): Promise<Answer>;
  keep(text: string): Promise<Digest>;
}

const roomy = { maxBytes: 1_000_000 };

function json(status: number, body: object): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function param(call: Call, name: string): string {
  return call.params[name] ?? '';
}

function blobAnswer(call: Call, of: Omit<BlobBody, 'blob' | 'size'> = {}): HttpAnswer {
  const blob = asDigest(param(call, 'digest'));
  const size = call.blobSize(blob);
  if (size === undefined) throw new RegistryError('not-found', 'no such blob');
  return { status: 200, headers: { etag: `"${blob}"`, 'x-own': 'yes' }, body: { blob, size, ...of } };
}

function numberOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text);
}

const handlers: Readonly<Record<string, ApiRoute['handle']>> = {
  'GET blobs/{digest}': async (call) => blobAnswer(call, { ranges: true }),
  'GET whole/{digest}': async (call) => blobAnswer(call),
  'GET accepted/{digest}': async (call) => ({ ...blobAnswer(call, { ranges: true }), status: 202 }),
  'GET part/{digest}/{start}/{end}': async (call) => ({
    status: 200,
    body: call.openBlob(asDigest(param(call, 'digest')), {
      start: Number(param(call, 'start')),
      end: Number(param(call, 'end')),
    }),
  }),
  'POST uploads': async (call) => json(202, await call.uploads.start('acme/app', 'ann')),
  'GET uploads/{id}': async (call) => json(200, call.uploads.find(param(call, 'id')) ?? {}),
  'PATCH uploads/{id}': async (call) =>
    json(
      202,
      await call.uploads.append(param(call, 'id'), call.body({ maxBytes: Infinity }), {
        at: numberOf(call.query.get('at')),
        length: numberOf(call.query.get('length')),
        ...roomy,
      }),
    ),
  'PUT uploads/{id}': async (call) =>
    json(201, await call.uploads.finish(param(call, 'id'), asDigest(call.query.get('digest') ?? ''))),
  'DELETE uploads/{id}': async (call) => {
    await call.uploads.cancel(param(call, 'id'));
    return { status: 204 };
  },
};

const document = { from: 'site', contentType: 'text/plain', cache: 'document', stored: 'file' } as const;
const files = [
  { ...document, pattern: 'files/{name}' },
  { ...document, pattern: 'strict/{name}', refusesBackwardRanges: true },
] satisfies SiteRoute[];

const surface: Surface = {
  ...toySurface,
  routes: [
    ...files.map((route): DocumentedRoute => ({
      ...route,
      miss: () => new RegistryError('not-found', 'no such file'),
      doc: undefined,
    })),
    ...Object.entries(handlers).map(([name, handle]): DocumentedRoute => {
      const [method, pattern = ''] = name.split(' ');
      return { from: 'api', method: method as ApiRoute['method'], pattern, handle, doc: undefined };
    }),
  ],
  renderError: renderProblem,
};

/** Every file has this text. */
export const FILE_TEXT = '0123456789';

function foundFile(): FoundFile {
  return {
    size: FILE_TEXT.length,
    version: '1',
    read: () => Buffer.from(FILE_TEXT),
    async *lend({ start, end }) {
      yield Buffer.from(FILE_TEXT.slice(start, end + 1));
    },
  };
}

export async function openBlobApp(t: Pick<TestContext, 'after'>): Promise<BlobApp> {
  const surfaces = [surface];
  const world = await openWorld({ surfaces, settings: someSettings({ mounts: { toy: '/toy' } }) });
  const { clock, blobs } = world;
  const ids = countedIds();
  const accounts = new AccountBook({
    journal: new PrivateJournal({ log: new MemoryLog(privateLines), clock, ids }),
    clock,
    ids,
    tokenUse: new MemoryTokenUse(),
    registration: 'closed',
    isReserved: () => false,
  });
  const errors: unknown[] = [];
  const accessTokens = accessTokensOf({ accounts, clock, ids });
  const app = createApp({
    ...world,
    accounts,
    accessTokens,
    auth: authenticator({
      accounts,
      accessTokens,
      clock,
      administratorToken: undefined,
      bootstrapSecret: undefined,
    }),
    ids,
    logIns: new LogInSessions({ clock, ids }),
    keyring: { sign: () => new Uint8Array() },
    site: { find: (path) => (/^toy\/(files|strict)\//.test(path) ? foundFile() : undefined) },
    counters: new CounterModel(clock),
    metrics: createMetrics(
      { queueDepth: () => 0, logEvents: () => 0, siteEvents: () => 0, siteAgeSeconds: () => 0 },
      '0',
    ),
    visible: async () => 'visible',
    health: () => ({ ready: true, problems: [], events: 0, onSite: 0 }),
    corsOrigins: [],
    version: '0',
    onRequest: () => undefined,
    onError: (error) => errors.push(error),
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    world,
    origin,
    errors,
    ask: (path, sent) => send(origin, `/toy/${path}`, sent),
    async keep(text) {
      const staged = await blobs.stage(Readable.from([Buffer.from(text)]), roomy);
      await staged.commit();
      return staged.digest;
    },
  };
}
