/**
 * The HTTP side of a registry. Files of the site are answered first, without Express; everything else goes through
 * it: requests become calls, calls become answers or intents, and intents become events.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type ErrorRequestHandler } from 'express';
import { RegistryError } from '../core/errors.ts';
import type { RegistryEvent } from '../core/event.ts';
import type { EventLog, SiteReader } from '../core/ports.ts';
import {
  isIntent,
  type ApiRoute,
  type HttpAnswer,
  type ReadRoute,
  type RedirectRoute,
  type RequestHead,
  type Route,
  type Visibility,
} from '../core/route.ts';
import { cacheOf, sitePath, type RouteParams, type SiteRoute } from '../core/site.ts';
import type { RegistryState, StateView } from '../core/state.ts';
import type { Writer } from '../core/writer.ts';
import type { Surface } from '../ecosystems/ecosystem.ts';
import { openCall, type CallDeps } from './call.ts';
import type { Session } from './auth.ts';
import { Directory } from './directory.ts';
import { countRequest, LimitedSurfaces, type LimitDeps, type Limited } from './limits.ts';
import { renderProblem } from './problems.ts';
import type { Redirects } from './redirects.ts';
import { nextRequestId } from './request-id.ts';
import { buildRouting, type MountedRoute, type Routing } from './routing.ts';
import { corsFor } from './cors.ts';
import type { Metrics } from './metrics.ts';
import { ownSurface, type Health } from './own-surface.ts';
import { send, sendStreamed } from './send-answer.ts';
import { audienceOf, sessionsBy, type Sessions } from './sessions.ts';
import { SiteServer, type StoredPath } from './site-server.ts';

export interface RequestRecord {
  readonly requestId: string;
  /** Id of the surface that answered; `none` below no mount. */
  readonly surface: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly milliseconds: number;
  readonly actor: string | undefined;
  readonly code: string | undefined;
}

export interface AppDeps extends CallDeps {
  readonly state: RegistryState;
  readonly surfaces: readonly Surface[];
  readonly log: EventLog<RegistryEvent>;
  readonly writer: Writer;
  readonly site: SiteReader;
  /** Resolves when events below `seq` can be read. */
  readonly visible: (seq: number) => Promise<Visibility>;
  readonly health: () => Health;
  readonly metrics: Metrics;
  /** Whether private blobs are fetched from the store itself; `off` unless told. */
  readonly redirects?: Redirects;
  /** Origins whose pages may read the API; `*` for all. */
  readonly corsOrigins: readonly string[];
  /** What one upload may have, by surface, where the operator has said so. */
  readonly maxUploadBytes?: Readonly<Record<string, number>>;
  /** How many requests clients may send; as many as they like where it is absent. */
  readonly limits?: LimitDeps;
  readonly trustedProxies?: readonly string[];
  /** Of this program. */
  readonly version: string;
  /** Reads go on; a write that comes now could not be promised to finish. */
  readonly isStopping?: () => boolean;
  readonly onRequest: (record: RequestRecord) => void;
  /** Something that is a bug, or a disk: with the id that the client was given. */
  readonly onError: (error: unknown, requestId: string) => void;
}

interface Context {
  readonly head: RequestHead;
  readonly startedAt: number;
  readonly query: string;
  readonly routing: Routing;
  /** Who words a refusal; the one that owns the path when undefined. */
  surface: Surface | undefined;
  matched: { mounted: MountedRoute; params: Readonly<Record<string, string>> } | undefined;
  /** Where it has been opened already. */
  session: Session | undefined;
  actor: string | undefined;
  code: string | undefined;
}

/** How long, and how much, a refused upload may go on: the client reads our answer only once it has sent its body. */
const DRAIN_MS = 30_000;

export function createApp(deps: AppDeps): RequestListener {
  const contexts = new WeakMap<IncomingMessage, Context>();
  const cors = corsFor(deps.corsOrigins);
  const own = ownSurface({
    ...deps,
    settings: () => deps.state.settings,
    metrics: () => deps.metrics.render(),
  });
  const directories = directoriesOf([...deps.surfaces, own], deps);
  const sessions = sessionsBy(deps);
  const api = expressApp({ ...deps, sessions }, contexts, directories);
  let current: (ForSettings & { settings: unknown }) | undefined;

  function forCurrentSettings(): ForSettings {
    const { settings } = deps.state;
    if (current?.settings !== settings) {
      const routing = buildRouting(deps.surfaces, settings, own);
      const limited = deps.limits && new LimitedSurfaces(deps.surfaces, settings, routing, deps.limits.said);
      current = { settings, routing, limited, site: new SiteServer(deps.site, deps.onError) };
    }
    return current;
  }

  return (request, response) => {
    const { routing, site, limited } = forCurrentSettings();
    const context = openContext(request, routing);
    const { method, path } = context.head;
    const preflight = method === 'OPTIONS' ? routing.surfaceOf(path)?.preflight : undefined;
    if (preflight) return void response.writeHead(preflight.status, preflight.headers).end();
    if (cors && method === 'OPTIONS')
      return void response.writeHead(200, cors.preflightFor(request.headers)).end();
    if (cors) response.setHeaders(new Map(Object.entries(cors.headersFor(request.headers))));
    const limiting = limited?.limiting(context.head);
    const careful = request.headers.authorization === undefined ? undefined : routing.surfaceOf(path);
    const checked = careful?.refusesBadTokens ? careful : undefined;
    if (!limiting && !checked) return answer(request, response, context, site);
    const admitted = admit(request, response, context, { limiting, checked });
    answerLater(
      admitted.then(() => answer(request, response, context, site)),
      request,
      response,
      context,
    );
  };

  function answerLater(
    answered: Promise<void>,
    request: IncomingMessage,
    response: ServerResponse,
    context: Context,
  ): void {
    answered
      .catch((error: unknown) => fail(error, request, response, context))
      // A bug, which must not end the process.
      .catch((error: unknown) => {
        deps.onError(error, context.head.requestId);
        response.destroy();
      });
  }

  function fail(error: unknown, request: IncomingMessage, response: ServerResponse, context: Context): void {
    attend(request, response, context, deps);
    refuse(asRegistryError(error, context.head.requestId, deps), context, response);
  }

  /** @throws RegistryError `rate-limited`, and `token-invalid` or `token-expired` where a surface refuses bad tokens at all. */
  async function admit(
    request: IncomingMessage,
    response: ServerResponse,
    context: Context,
    { limiting, checked }: { limiting: Limited | undefined; checked: Surface | undefined },
  ): Promise<void> {
    // Counted first: whoever tries tokens out is limited as well.
    if (limiting) await count(request, response, context, limiting);
    if (checked) (context.session ?? (await sessions.open(request, checked))).authenticate();
  }

  /** @throws RegistryError `rate-limited` */
  async function count(
    request: IncomingMessage,
    response: ServerResponse,
    context: Context,
    limiting: Limited,
  ): Promise<void> {
    if (!deps.limits) return;
    context.session = await sessions.open(request, limiting.surface);
    const sender = { session: context.session, address: sessions.addressOf(request) };
    const { registry } = deps.state;
    const { headers, refusal } = await countRequest(limiting, sender, { ...deps.limits, registry });
    response.setHeaders(new Map(Object.entries(headers)));
    if (refusal) throw refusal;
  }

  /** What is read most is answered before this returns; what has to be asked for, at a store, later. */
  function answer(
    request: IncomingMessage,
    response: ServerResponse,
    context: Context,
    site: SiteServer,
  ): void {
    const { method, path, requestId } = context.head;
    try {
      if (deps.isStopping?.()) goOnReading(method, response);
      const isRead = method === 'GET' || method === 'HEAD';
      const served =
        isRead && site.serveAgain({ urlPath: path, query: context.query, requestId }, request, response);
      if (served === true) return afterRead(request, response, context, deps);
      const answered =
        served === false
          ? answerByTable(request, response, context, site)
          : served.then((isServed) => {
              if (isServed) return afterRead(request, response, context, deps);
              return answerByTable(request, response, context, site);
            });
      if (answered) answerLater(answered, request, response, context);
    } catch (error) {
      fail(error, request, response, context);
    }
  }

  /** @throws RegistryError */
  function answerByTable(
    request: IncomingMessage,
    response: ServerResponse,
    context: Context,
    site: SiteServer,
  ): Promise<void> | undefined {
    const { method, path, requestId } = context.head;
    const match = context.routing.table.match(method, path);
    if (match.found === 'path')
      throw new RegistryError('method-not-allowed', `${method} is not possible here`, {
        allow: match.allow,
      });
    if (match.found === 'route') {
      context.matched = { mounted: match.route, params: match.params };
      const { surface, mount, route } = match.route;
      context.surface = surface;
      if (route.from === 'site') {
        const paths = pathsOf(mount, route, match.params, deps.state);
        const headers = route.headers?.(match.params);
        const cache = cacheOf(route, match.params);
        const etag = route.etag?.(match.params, deps.state);
        const read = { urlPath: path, query: context.query, requestId, route, paths, cache, etag, headers };
        const served = site.serve(read, request, response);
        if (served instanceof Promise)
          return served.then((isServed) =>
            afterSite(isServed, route, match.params, { request, response, context }),
          );
        return afterSite(served, route, match.params, { request, response, context });
      }
    }
    return answerByApi(request, response, context);
  }

  /** @throws RegistryError where there is no file, and nobody else to ask */
  function afterSite(
    isServed: boolean,
    route: ReadRoute,
    params: RouteParams,
    { request, response, context }: Exchange,
  ): undefined {
    if (isServed) {
      if (route.counts && context.head.method === 'GET' && response.statusCode === 200)
        deps.counters.count({ category: 'download', ...route.counts(params), ours: 'version' });
      return void afterRead(request, response, context, deps);
    }
    if ('miss' in route) throw route.miss(params);
    return answerByApi(request, response, context);
  }

  function answerByApi(request: IncomingMessage, response: ServerResponse, context: Context): undefined {
    attend(request, response, context, deps);
    const matched = context.matched?.mounted;
    if (matched?.route.from === 'redirect') return void redirect(response, matched.mount, matched.route);
    contexts.set(request, context);
    return void api(request, response);
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: Context;
}

interface ForSettings {
  readonly routing: Routing;
  readonly site: SiteServer;
  readonly limited: LimitedSurfaces | undefined;
}

/** Where the file may be stored: once for each type it may have. */
function pathsOf(
  mount: string,
  route: SiteRoute,
  params: RouteParams,
  view: StateView,
): readonly StoredPath[] {
  const types = route.types ? Object.entries(route.types) : [[undefined, route] as const];
  return types.flatMap(([suffix, type]) => {
    if (route.mayBeThere && !route.mayBeThere(params, view, suffix)) return [];
    const path = sitePath(mount, route, params, suffix);
    return path === undefined ? [] : [{ path, type }];
  });
}

function openContext(request: IncomingMessage, routing: Routing): Context {
  const url = request.url ?? '/';
  const queryAt = url.indexOf('?');
  return {
    head: {
      method: request.method ?? 'GET',
      path: routing.pathFor(request.headers.host, queryAt === -1 ? url : url.slice(0, queryAt)),
      requestId: nextRequestId(),
    },
    startedAt: performance.now(),
    query: queryAt === -1 ? '' : url.slice(queryAt + 1),
    routing,
    surface: undefined,
    matched: undefined,
    session: undefined,
    actor: undefined,
    code: undefined,
  };
}

/** While the server stops. @throws RegistryError unless it is a read. */
function goOnReading(method: string, response: ServerResponse): void {
  response.setHeader('connection', 'close');
  if (method === 'GET' || method === 'HEAD') return;
  throw new RegistryError('shutting-down', 'the registry is stopping; try again shortly', {
    retryAfterSeconds: 5,
  });
}

/** What all answers need but those of the site: it gives the id itself, and is mostly done by the time it returns. */
function attend(request: IncomingMessage, response: ServerResponse, context: Context, deps: AppDeps): void {
  response.setHeader('x-request-id', context.head.requestId);
  response.on('finish', () => finished(request, response, context, deps));
}

function afterRead(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  deps: AppDeps,
): void {
  // All of it is with the system already: nothing is left to wait for, unless a body comes that nobody reads.
  if (response.writableFinished && !bringsBody(request)) observe(response, context, deps);
  else response.on('finish', () => finished(request, response, context, deps));
}

function bringsBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

type Directories = ReadonlyMap<Surface, Directory>;

/** What stands beside another surface lists the packages of that one. */
function directoriesOf(surfaces: readonly Surface[], deps: AppDeps): Directories {
  const own = new Map(surfaces.map((surface) => [surface.id, new Directory(surface, deps)]));
  return new Map(
    surfaces.flatMap((surface) => {
      const directory = own.get(surface.beside?.surface ?? surface.id);
      return directory ? [[surface, directory] as const] : [];
    }),
  );
}

function expressApp(
  deps: AppDeps & { readonly sessions: Sessions },
  contexts: WeakMap<IncomingMessage, Context>,
  directories: Directories,
): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(async (request, response) => {
    const context = contexts.get(request);
    if (!context) throw new Error('a request without its context');
    if (!context.matched) throw new RegistryError('no-route', `nothing is at ${context.head.path}`);
    const { headers, ...answer } = await answerCall(request, context, context.matched, deps, directories);
    const whole = { ...answer, headers: { 'cache-control': 'no-store', ...headers } };
    await sendStreamed(response, whole, deps, context.head.requestId);
  });
  const onError: ErrorRequestHandler = (error, request, response, _next) => {
    const context = contexts.get(request);
    if (!context || response.headersSent) return void response.destroy();
    refuse(asRegistryError(error, context.head.requestId, deps), context, response);
  };
  app.use(onError);
  return app;
}

async function answerCall(
  request: IncomingMessage,
  context: Context,
  { mounted, params }: NonNullable<Context['matched']>,
  deps: AppDeps & { readonly sessions: Sessions },
  directories: Directories,
): Promise<HttpAnswer> {
  const { route, mount, surface } = mounted;
  const directory = directories.get(surface);
  if (!directory) throw new Error(`${surface.id} has no directory`);
  const audience = audienceOf(surface, deps.state.settings);
  const session = context.session ?? (await deps.sessions.open(request, surface));
  const { call, discard } = openCall(
    request,
    {
      head: context.head,
      mount,
      params,
      query: new URLSearchParams(context.query),
      directory,
      session,
      audience,
      maxUploadBytes: deps.maxUploadBytes?.[surface.id],
    },
    deps,
  );
  try {
    const result = await handlerOf(route)(call, deps.state);
    if (!isIntent(result)) return result;
    context.actor = result.actor.handle;
    const events = await deps.writer.execute(result);
    const appendedAt = performance.now();
    // Also without events: what the client asked for may have been appended a moment ago and not be visible yet.
    const visibility = await deps.visible((events.at(-1)?.seq ?? deps.state.length - 1) + 1);
    if (events.length > 0) deps.metrics.visible((performance.now() - appendedAt) / 1000);
    const answer = result.answer(events, visibility);
    if (visibility === 'visible') return answer;
    return { ...answer, headers: { ...answer.headers, 'x-cairn-degraded': 'accepted, not yet visible' } };
  } finally {
    await discard();
  }
}

function handlerOf(route: Route): ApiRoute['handle'] {
  if (route.from === 'api') return route.handle;
  if ('missFromApi' in route) return route.missFromApi;
  throw new Error(`${route.pattern} is not the API's`);
}

function asRegistryError(error: unknown, requestId: string, deps: AppDeps): RegistryError {
  if (error instanceof RegistryError) {
    if (error.code === 'storage-failed' || error.code === 'storage-unavailable')
      deps.onError(error, requestId);
    return error;
  }
  deps.onError(error, requestId);
  if (isDiskError(error))
    return new RegistryError(
      'storage-failed',
      'the registry could not store this; nothing was accepted, try again later',
    );
  return new RegistryError('internal', 'something went wrong here; the log has it under this request id');
}

function isDiskError(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return (
    code !== undefined && ['ENOSPC', 'EIO', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'EACCES'].includes(code)
  );
}

function refuse(error: RegistryError, context: Context, response: ServerResponse): void {
  context.code = error.code;
  const surface = context.surface ?? context.routing.surfaceOf(context.head.path);
  const answer = (surface?.renderError ?? renderProblem)(error, context.head);
  if (error.retryAfterSeconds !== undefined) response.setHeader('retry-after', error.retryAfterSeconds);
  const request = response.req;
  if (request.complete || request.headers.connection?.toLowerCase() !== 'close')
    return send(response, answer);
  // Node closes such a connection with the answer, and a client that still sends would see a broken pipe instead of it.
  drain(request);
  request.once('close', () => send(response, answer)).once('end', () => send(response, answer));
}

/** Reads on and throws away, for a while. */
function drain(request: IncomingMessage): void {
  request.resume();
  const patience = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(patience));
}

function redirect(response: ServerResponse, mount: string, { status, to }: RedirectRoute): void {
  const location = `${mount === '/' ? '' : mount}/${to}`;
  response.writeHead(status, { location, 'content-length': 0 }).end();
}

function finished(request: IncomingMessage, response: ServerResponse, context: Context, deps: AppDeps): void {
  observe(response, context, deps);
  if (request.complete) return;
  // Read on and throw away, which Node does only where nobody has begun to read: closing, or reading no further,
  // would cost the client our answer (it sees a broken pipe, or waits for us to take the rest).
  drain(request);
}

function observe(response: ServerResponse, context: Context, deps: AppDeps): void {
  const { head, startedAt, actor, code } = context;
  const surface = (context.surface ?? context.routing.surfaceOf(head.path))?.id ?? 'none';
  const milliseconds = Math.round((performance.now() - startedAt) * 10) / 10;
  deps.metrics.request({
    surface,
    method: head.method,
    status: response.statusCode,
    seconds: milliseconds / 1000,
    ...(code === undefined ? {} : { code }),
  });
  deps.onRequest({
    requestId: head.requestId,
    surface,
    method: head.method,
    path: pathToLog(context),
    status: response.statusCode,
    milliseconds,
    actor,
    code,
  });
}

/** A token that this registry made, of either kind, wherever it stands. */
const tokens = /[a-z0-9]+_[0-9a-f]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

/** Some paths hold a token: what a pattern calls `{secret}`, and what looks like one, is not written down. */
function pathToLog({ head, matched }: Context): string {
  const pattern = matched?.mounted.route.pattern.split('/') ?? [];
  const segments = head.path.split('/');
  const at = pattern.indexOf('{secret}');
  if (at !== -1) segments[segments.length - pattern.length + at] = '…';
  return segments.join('/').replaceAll(tokens, '…');
}
