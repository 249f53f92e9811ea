/** The API of a registry in memory with one surface that asks for accounts in every way there is, and a clock to set. */
import { CounterModel } from '../../core/counters.ts';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createApp, type RequestRecord } from '../../api/app.ts';
import { authenticator } from '../../api/auth.ts';
import { createMetrics } from '../../api/metrics.ts';
import { renderProblem } from '../../api/problems.ts';
import { LogInSessions } from '../../core/log-in-sessions.ts';
import { AccountBook, type Registration } from '../../core/account-book.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { privateLines, type PrivateEvent } from '../../core/event.ts';
import type { Access } from '../../core/access-tokens.ts';
import { requireScope, type Actor } from '../../core/permission.ts';
import type { ApiRoute, Call, DocumentedRoute, HttpAnswer, LogIn } from '../../core/route.ts';
import type { Surface } from '../../ecosystems/ecosystem.ts';
import { MemoryAccessKeys, MemoryLog, MemoryTokenUse } from '../../stores/memory.ts';
import { accessTokensOf } from './access-tokens.ts';
import { send, type Answer, type Sent } from './http.ts';
import { aClock, countedIds, openWorld, someSettings, type TestClock } from './registry.ts';
import { toySurface } from './toy-surface.ts';

export const ENVIRONMENT_TOKEN = 'a-token-of-the-environment';

export interface AccountsApp {
  readonly book: AccountBook;
  readonly privateLog: MemoryLog<PrivateEvent>;
  readonly clock: TestClock;
  readonly accessKeys: MemoryAccessKeys;
  /** What the program would write to its log. */
  readonly records: readonly RequestRecord[];
  readonly errors: readonly unknown[];
  ask(path: string, sent?: Sent): Promise<Answer>;
  post(path: string, body: object, sent?: Sent): Promise<Answer>;
}

/** The handle and what the answer says of the actor. */
function shown({ handle, scopes, secondFactor, tokenId }: Actor): HttpAnswer {
  return json({ handle, scopes: [...scopes], secondFactor, byToken: tokenId !== undefined });
}

function json(body: object): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

const fine: HttpAnswer = { status: 200, body: 'fine' };
const codeOf = (call: Call): string | undefined => call.query.get('code') ?? undefined;

const handlers: Readonly<Record<string, ApiRoute['handle']>> = {
  'GET public': async () => fine,
  'GET whoami': async (call) => shown(requireScope(call.authenticate(), 'read')),
  /** As a surface whose clients cannot be asked for a code. */
  'POST write': async (call) => shown(requireScope(call.authenticate(), 'publish')),
  'POST write-with-code': async (call) => {
    await call.requireSecondFactor(codeOf(call));
    return shown(requireScope(call.authenticate(), 'publish'));
  },
  'POST change-account': async (call) => {
    await call.requireSecondFactor(codeOf(call), 'account');
    return shown(requireScope(call.authenticate(), 'tokens'));
  },
  'POST login': async (call) => shown(await call.logIn((await call.readJson({ maxBytes: 9999 })) as LogIn)),
  'POST register': async (call) => {
    await call.accounts.register(
      (await call.readJson({ maxBytes: 9999 })) as Parameters<AccountBook['register']>[0],
    );
    return fine;
  },
};

/** As a surface that gives whoever asks what they ask for. */
async function answerToken(call: Call, actor: Actor | undefined): Promise<HttpAnswer> {
  const access = call.query.getAll('name').map((name): Access => ({ type: 'toy', name, actions: ['pull'] }));
  const issued = await call.issueToken({ actor, access, carriesScopes: call.query.has('scopes') });
  return json(issued);
}

const tokenHandlers: Readonly<Record<string, ApiRoute['handle']>> = {
  ...handlers,
  'GET access': async (call) =>
    json({ access: call.access() ?? 'none', handle: call.authenticate()?.handle }),
  'GET access-alone': async (call) => json({ access: call.access() ?? 'none' }),
  'GET access/{secret}': async () => fine,
  'GET token': async (call) => answerToken(call, call.authenticate()),
  'POST token': async (call) => {
    const { handle, secret } = (await call.readJson({ maxBytes: 9999 })) as Record<
      'handle' | 'secret',
      string
    >;
    return answerToken(call, await call.authenticateAs({ handle, secret }));
  },
  'GET keys': async (call) => json(call.accessKeys()),
};

function routesOf(those: Readonly<Record<string, ApiRoute['handle']>>): readonly DocumentedRoute[] {
  return Object.entries(those).map(([name, handle]) => {
    const [method, pattern = ''] = name.split(' ');
    return { from: 'api', method: method as ApiRoute['method'], pattern, handle, doc: undefined };
  });
}

const surface: Surface = {
  ...toySurface,
  takesBasic: true,
  routes: routesOf(handlers),
  renderError: renderProblem,
};

/** Beside it stands the same surface that takes no Basic credentials, at `/other`. */
const withoutBasic: Surface = { ...surface, id: 'other', defaultMount: '/other', takesBasic: false };

/** And one that takes access tokens as well, at `/signed`. */
const withAccessTokens: Surface = {
  ...surface,
  id: 'signed',
  defaultMount: '/signed',
  takesAccessTokens: { audience: ({ baseUrl }) => new URL(baseUrl).host },
  routes: routesOf(tokenHandlers),
};

export async function openAccountsApp(
  t: Pick<TestContext, 'after'>,
  registration: Registration = 'closed',
): Promise<AccountsApp> {
  const surfaces = [surface, withoutBasic, withAccessTokens];
  const world = await openWorld({
    surfaces,
    settings: someSettings({ mounts: { toy: '/toy', other: '/other', signed: '/signed' } }),
  });
  const clock = aClock(0);
  const ids = countedIds();
  const privateLog = new MemoryLog(privateLines);
  const book = new AccountBook({
    journal: new PrivateJournal({ log: privateLog, clock, ids }),
    clock,
    ids,
    tokenUse: new MemoryTokenUse(),
    registration,
    isReserved: (handle) => handle === 'admin',
  });
  const accessKeys = new MemoryAccessKeys();
  const accessTokens = accessTokensOf({
    accounts: book,
    clock,
    ids,
    keys: accessKeys,
    administrator: { handle: 'admin', token: ENVIRONMENT_TOKEN },
  });
  const records: RequestRecord[] = [];
  const errors: unknown[] = [];
  const app = createApp({
    ...world,
    surfaces,
    accounts: book,
    accessTokens,
    auth: authenticator({
      accounts: book,
      accessTokens,
      clock,
      administratorToken: ENVIRONMENT_TOKEN,
      bootstrapSecret: undefined,
    }),
    ids,
    logIns: new LogInSessions({ clock, ids }),
    keyring: { sign: () => new Uint8Array() },
    site: { find: () => undefined },
    counters: new CounterModel(clock),
    metrics: createMetrics(
      { queueDepth: () => 0, logEvents: () => 0, siteEvents: () => 0, siteAgeSeconds: () => 0 },
      '0',
    ),
    visible: async () => 'visible',
    health: () => ({ ready: true, problems: [], events: 0, onSite: 0 }),
    corsOrigins: [],
    version: '0',
    onRequest: (record) => records.push(record),
    onError: (error) => errors.push(error),
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask: AccountsApp['ask'] = (path, sent) =>
    send(origin, path.startsWith('/') ? path : `/toy/${path}`, sent);
  return {
    book,
    privateLog,
    clock,
    accessKeys,
    records,
    errors,
    ask,
    post: (path, body, { headers, ...sent } = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        ...sent,
      }),
  };
}

export function basic(handle: string, secret: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${handle}:${secret}`).toString('base64')}` };
}
