/** `cairn serve`: one process, one port, API and site. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { createApp } from '../api/app.ts';
import { ADMINISTRATOR, authenticator } from '../api/auth.ts';
import { createControlServer } from '../api/control.ts';
import { createMetrics, type Metrics } from '../api/metrics.ts';
import { isSafeRedirectHost } from '../api/redirects.ts';
import type { Health } from '../api/own-surface.ts';
import { buildRouting } from '../api/routing.ts';
import { AccessTokens } from '../core/access-tokens.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { LogDamage, RegistryError } from '../core/errors.ts';
import { LogInSessions } from '../core/log-in-sessions.ts';
import { allScopes } from '../core/permission.ts';
import { RotatingKeys } from '../core/rotating-keys.ts';
import type { RequestLimiter } from '../core/ports.ts';
import { allSurfaces } from '../surfaces/index.ts';
import type { Settings } from '../schema/types.ts';
import { refuseUnfitDisk } from '../stores/disk-check.ts';
import { MemoryLimiter } from '../stores/request-limiter.ts';
import { HttpUpstream } from '../stores/upstream-http.ts';
import { startChores } from './chores.ts';
import { localControl } from './control.ts';
import { storageFor } from './first-storage.ts';
import { newKeys } from './keys.ts';
import { createRegistry, openRegistry, randomIds, systemClock, type Registry } from './open-registry.ts';
import { registryOfThisMachine } from './npm-registry.ts';
import { mountsOf, pairsOf, type Options, type Said } from './options.ts';
import { layoutOf, readStorage } from './storage.ts';
import { version } from './version.ts';

/** A slow line may take this long for one upload. */
const REQUEST_TIMEOUT_MS = 60 * 60_000;
/** A connection on which nothing moves for this long is dead. */
const IDLE_TIMEOUT_MS = 2 * 60_000;
/** What is under way when a stop is asked for may take this long to finish. */
const STOP_PATIENCE_MS = 30_000;

export interface RunningServer {
  readonly url: string;
  /** Accepted writes finish, new ones get 503, then everything is closed. Safe to repeat. */
  stop(): Promise<void>;
}

/** Starts a server. `say` gets what a person should read; logs go to standard error. */
export async function serve(options: Options, say: (line: string) => void): Promise<RunningServer> {
  for (const note of options.notes) say(`note       ${note}`);
  const log = pino({ level: process.env['CAIRN_LOG_LEVEL'] ?? 'info', base: null }, pino.destination(2));
  await prepareDirectory(options.dataDirectory);
  let handler: RequestListener = starting;
  let isStopping = false;
  const writes = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      writes.add(response);
      response.once('close', () => writes.delete(response));
    }
    handler(request, response);
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.timeout = IDLE_TIMEOUT_MS;
  await listen(server, options.listen);
  const socketPath = controlSocketPath(options.dataDirectory);
  let registry: Registry | undefined;
  let upstream: HttpUpstream | undefined;
  let limiter: RequestLimiter | undefined;
  try {
    const metrics = createMetrics(
      {
        queueDepth: () => registry?.writer.waiting ?? 0,
        logEvents: () => registry?.state.length ?? 0,
        siteEvents: () => registry?.publisher.status.seq ?? 0,
        siteAgeSeconds: () => (registry ? siteAgeSeconds(registry) : 0),
      },
      version,
    );
    const storage = await storageFor(options, say);
    registry = await openRegistry({
      storage,
      onBatch: (batch) => metrics.batch(batch),
      dataDirectory: options.dataDirectory,
      contact: socketPath,
      registration: options.registration,
      onSiteError: (error) => log.error({ err: error }, 'the site lags behind the log; retrying'),
      onCounterTrouble: (error) => log.error({ err: error }, 'counts are not kept'),
    });
    await startRegistry(registry, options, server);
    await refuseRedirects(registry, options);
    upstream = openUpstream(registry.state, options.npmFallback, say);
    const control = createControlServer(localControl(registry));
    await listenOn(control, socketPath);
    limiter = await openLimiter(options.limitsRedis, log);
    handler = appFor({ registry, upstream, options, log, metrics, limiter, isStopping: () => isStopping });
    await introduce(registry, options, say);
    const chores = startChores(registry, (error) =>
      log.error({ err: error }, 'a chore failed; it is tried again'),
    );
    say(`listening on ${urlOf(server, options.listen.host)}`);
    return running({
      server,
      control,
      chores,
      registry,
      upstream,
      limiter,
      socketPath,
      url: urlOf(server, options.listen.host),
      // From here on new writes are refused, and reads go on.
      async finishWrites() {
        isStopping = true;
        await Promise.all([...writes].map((response) => once(response, 'close')));
      },
    });
  } catch (error) {
    limiter?.close();
    await registry?.close();
    server.close();
    server.closeAllConnections();
    throw error;
  }
}

/** Clients would take their credentials along to a host below ours, which a store refuses; and would miss one that is not there. */
async function refuseRedirects({ blobs, state }: Registry, { redirects }: Options): Promise<void> {
  if (redirects === 'off') return;
  const target = await blobs.signedUrl?.(digestOf(''), redirects.expiresInSeconds);
  if (target === undefined)
    throw new RegistryError('bad-request', 'CAIRN_PRIVATE_REDIRECTS needs blobs in a bucket: CAIRN_BLOBS');
  const { publicUrl } = state.settings;
  if (isSafeRedirectHost(publicUrl, target)) return;
  throw new RegistryError(
    'bad-request',
    `CAIRN_PRIVATE_REDIRECTS would send clients from ${publicUrl} to ${new URL(target).origin}, and their tokens with them: the store needs a host that is neither that of the registry nor below it; see CAIRN_S3_PUBLIC_ENDPOINT`,
  );
}

async function prepareDirectory(path: string): Promise<void> {
  try {
    await refuseUnfitDisk(path);
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw new RegistryError(
      'bad-request',
      `the data directory ${path} cannot be used (${(error as Error).message}); choose another with --data DIR`,
    );
  }
}

/** First start, or the next one: the settings are those that the registry has recorded. */
async function startRegistry(
  registry: Registry,
  { said, dataDirectory, listen: { host } }: Options,
  server: Server,
): Promise<void> {
  if (registry.state.isEmpty) {
    // A new log beside an old site would give every name away a second time.
    if (registry.accounts.tokens.length > 0 || (await registry.site.load('progress')))
      throw new LogDamage(
        `the log is empty, and a registry was in ${dataDirectory} before: restore log.git from a copy, or start with another --data`,
      );
    const publicUrl =
      said.publicUrl ?? urlOf(server, host === '0.0.0.0' || host === '::' ? 'localhost' : host);
    const settings: Settings = {
      publicUrl,
      mounts: said.mounts ?? mountsOf(undefined, {}),
      ...(said.x07 ? { x07: said.x07 } : {}),
      ...(said.npm ? { npm: said.npm } : {}),
      ...(said.oci ? { oci: said.oci } : {}),
      ...(said.ori ? { ori: said.ori } : {}),
    };
    buildRouting(allSurfaces, settings);
    await createRegistry(registry, { ...settings, ...(await newKeys(registry.keys, settings)) });
  } else refuseOtherSettings(registry.state.settings, said, dataDirectory);
  try {
    await registry.generator.update();
    await registry.generator.updateRoots();
  } catch (error) {
    if (error instanceof LogDamage) throw error;
    // A full disk must not stop reads: what is on the site is served, and the publisher goes on trying.
  }
  registry.publisher.notify();
}

/** Clients store URLs: a registry never moves because somebody started it with another flag. */
function refuseOtherSettings(recorded: Settings, said: Said, dataDirectory: string): void {
  const differ = (name: string, was: unknown, is: unknown, command: string): void => {
    if (is === undefined || canonicalJson(was ?? null) === canonicalJson(is)) return;
    throw new RegistryError(
      'conflict',
      `this registry was created with ${name} ${canonicalJson(was ?? null)}, not ${canonicalJson(is)}. ` +
        `Leave it out, or change it on purpose with: cairn settings --data ${dataDirectory} ${command}`,
    );
  };
  differ('public URL', recorded.publicUrl, said.publicUrl, `--public-url ${said.publicUrl}`);
  differ('mounts', recorded.mounts, said.mounts, `--mounts ${pairsOf(said.mounts)}`);
  // What was not said may have been set since, by `cairn settings`.
  for (const id of ['x07', 'npm', 'oci', 'ori'] as const) {
    const wanted = { ...recorded[id], ...said[id] };
    if (said[id]) differ(`${id} settings`, recorded[id] ?? {}, wanted, `--${id} '${canonicalJson(wanted)}'`);
  }
}

/** How long readers have not seen what was accepted. */
function siteAgeSeconds({ log, publisher }: Registry): number {
  const { seq } = publisher.status;
  // Zero only until the publisher's first look.
  if (seq === 0 || seq >= log.length) return 0;
  return Math.max(0, (systemClock.now() - Date.parse(log.read(seq).at)) / 1000);
}

/** Who is asked for npm packages that are not ours, where anybody is. */
function openUpstream(
  { settings }: Registry['state'],
  { upstream, archives, limits }: Options['npmFallback'],
  say: (line: string) => void,
): HttpUpstream | undefined {
  const mount = settings.mounts['npm'] ?? settings.mounts['pantry'];
  if (mount === undefined || upstream === 'off') return undefined;
  try {
    const url = upstream === 'machine' ? registryOfThisMachine() : upstream.url;
    const own = settings.publicUrl + (mount === '/' ? '' : mount);
    if (url === own) throw new RegistryError('bad-request', 'the npm fallback is this registry itself');
    say(`fallback   npm packages that are not here: ${url} (tarballs: ${archives})`);
    return new HttpUpstream({ url, archives, limits, userAgent: `cairn/${version}` });
  } catch (error) {
    // What was said on purpose is refused; a registry that the machine happens to name must not keep us from starting.
    if (upstream !== 'machine' || !(error instanceof RegistryError)) throw error;
    say(`fallback   off: ${error.message}`);
    return undefined;
  }
}

interface AppParts {
  readonly upstream: HttpUpstream | undefined;
  readonly registry: Registry;
  readonly options: Options;
  readonly log: pino.Logger;
  readonly metrics: Metrics;
  readonly limiter: RequestLimiter;
  readonly isStopping: () => boolean;
}

function appFor({
  registry,
  upstream,
  options,
  log,
  metrics,
  limiter,
  isStopping,
}: AppParts): RequestListener {
  const { state, writer, blobs, uploads, siteReader, publisher, accounts, keys } = registry;
  const { administratorToken, environmentTokens, bootstrapSecret, corsOrigins, sigstoreRoot } = options;
  const accessTokens = accessTokensOf(registry, options, log);
  const health = (): Health => {
    const { seq, failure } = publisher.status;
    const problems = [
      ...(failure === undefined ? [] : [`the site lags behind the log: ${failure}`]),
      ...(writer.isUnsure
        ? ['the log could not be read after a failed write; it is tried again every second']
        : []),
    ];
    return { ready: problems.length === 0, problems, events: state.length, onSite: seq };
  };
  return createApp({
    surfaces: allSurfaces,
    log: registry.log,
    state,
    writer,
    blobs,
    uploads,
    accounts,
    accessTokens,
    keyring: keys,
    ids: randomIds,
    clock: systemClock,
    logIns: new LogInSessions({ clock: systemClock, ids: randomIds }),
    upstream,
    counters: registry.counters,
    site: siteReader,
    auth: authenticator({
      accounts,
      accessTokens,
      clock: systemClock,
      administratorToken,
      environmentTokens,
      bootstrapSecret,
    }),
    metrics,
    limits: { limiter, clock: systemClock, said: options.limits },
    trustedProxies: options.trustedProxies,
    redirects: options.redirects,
    corsOrigins,
    sigstoreRoot,
    maxUploadBytes: options.maxUploadBytes,
    version,
    visible: (seq) => publisher.visible(seq),
    health,
    isStopping,
    onRequest: (record) =>
      log[record.method === 'GET' || record.method === 'HEAD' ? 'debug' : 'info'](record, 'request'),
    onError: (error, requestId) => log.error({ err: error, requestId }, 'request failed'),
  });
}

async function openLimiter(url: string | undefined, log: pino.Logger): Promise<RequestLimiter> {
  if (url === undefined) return new MemoryLimiter();
  // Loaded where it is used: it weighs as much as all the rest that starts.
  const { RedisLimiter } = await import('../stores/redis-limiter.ts');
  return RedisLimiter.open({
    url,
    clock: systemClock,
    onTrouble: (error) =>
      log.error(
        { err: error },
        'Redis does not answer: this process counts requests by itself until it does',
      ),
    onRecovery: () => log.info('Redis answers again: requests are counted together'),
  });
}

function accessTokensOf(
  { accessKeys, accounts, state }: Registry,
  { accessTokenSeconds, administratorToken: token, environmentTokens: environment }: Options,
  log: pino.Logger,
): AccessTokens {
  return new AccessTokens({
    keys: new RotatingKeys({
      keys: accessKeys,
      clock: systemClock,
      onTrouble: (error) =>
        log.error({ err: error }, 'keys of access tokens cannot be changed; the last one goes on signing'),
    }),
    accounts,
    clock: systemClock,
    ids: randomIds,
    issuer: () => state.settings.publicUrl,
    lifetimeSeconds: accessTokenSeconds,
    administrator: token === undefined ? undefined : { handle: ADMINISTRATOR, token },
    environment,
  });
}

/** Tells a person what was made at first start, and what to type next. */
async function introduce(registry: Registry, options: Options, say: (line: string) => void): Promise<void> {
  const { settings } = registry.state;
  say(`data       ${options.dataDirectory}`);
  const storage = readStorage(options.dataDirectory);
  for (const part of ['blobs', 'site'] as const)
    if (storage[part] !== undefined) say(`${part.padEnd(10)} ${storage[part]}`);
  if (layoutOf(storage) === 'pointers') say('artifacts  pointers to the blobs');
  say(`public URL ${settings.publicUrl}`);
  for (const [surface, mount] of Object.entries(settings.mounts))
    say(`${surface.padEnd(10)} ${settings.publicUrl}${mount === '/' ? '/' : `${mount}/`}`);
  if (options.administratorToken !== undefined || registry.accounts.tokens.length > 0) return;
  const { token } = await localControl(registry).createToken({
    handle: ADMINISTRATOR,
    label: 'first start',
    scopes: allScopes,
  });
  say('');
  say(`An administrator's token, shown only this once:`);
  say(`  ${token}`);
  say('Tokens for others:');
  say('  cairn token create HANDLE --scopes publish,yank');
  say('');
}

function starting(_request: unknown, response: Parameters<RequestListener>[1]): void {
  const requestId = randomUUID().replaceAll('-', '');
  response
    .writeHead(503, { 'retry-after': '1', 'content-type': 'text/plain', 'x-request-id': requestId })
    .end('starting\n');
}

interface Parts {
  readonly server: Server;
  readonly control: Server;
  readonly chores: ReturnType<typeof startChores>;
  readonly registry: Registry;
  readonly upstream: HttpUpstream | undefined;
  readonly limiter: RequestLimiter;
  readonly socketPath: string;
  readonly url: string;
  readonly finishWrites: () => Promise<void>;
}

function running({
  server,
  control,
  chores,
  registry,
  upstream,
  limiter,
  socketPath,
  url,
  finishWrites,
}: Parts): RunningServer {
  let stopped: Promise<void> | undefined;
  async function stopOnce(): Promise<void> {
    const patience = setTimeout(() => server.closeAllConnections(), STOP_PATIENCE_MS);
    const collected = registry.garbage.stop();
    // We go on listening meanwhile: who comes now is told to come back, and not that nobody is here.
    await finishWrites();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await Promise.all([closed, collected]);
    clearTimeout(patience);
    upstream?.close();
    limiter.close();
    control.close();
    control.closeAllConnections();
    await chores.stop();
    await registry.close();
    rmSync(socketPath, { force: true });
  }
  return { url, stop: () => (stopped ??= stopOnce()) };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new RegistryError(
              'conflict',
              `${host}:${port} is in use by another program; choose another with --listen HOST:PORT`,
            )
          : new RegistryError(
              'bad-request',
              `cannot listen on ${host}:${port} (${error.message}); choose another with --listen HOST:PORT`,
            ),
      ),
    );
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The path of a socket may be about 100 bytes long; a deep data directory gets one in a folder of its own. */
function controlSocketPath(dataDirectory: string): string {
  const inside = join(dataDirectory, 'control.sock');
  if (Buffer.byteLength(inside) < 100) return inside;
  const name = createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12);
  return join(mkdtempSync(join(tmpdir(), `cairn-${name}-`)), 'control.sock');
}

async function listenOn(server: Server, path: string): Promise<void> {
  // Whoever left it is dead: we hold the log.
  rmSync(path, { force: true });
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o600);
}
