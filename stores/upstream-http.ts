/**
 * Another registry over HTTP. Whoever answers there may be slow, down or hostile: everything has a bound, nothing of the
 * client goes along, and no answer leads to a host of our own network, unless the operator named that very host.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { RegistryError } from '../core/errors.ts';
import type { Upstream, UpstreamAnswer, UpstreamAsk } from '../core/ports.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { lookupGlobal, mayBeGlobal } from './global-addresses.ts';
import { Slots } from './slots.ts';

const MAX_REDIRECTS = 5;

export interface UpstreamLimits {
  /** Until the answer begins, redirects included. */
  readonly firstByteMs: number;
  /** Between two pieces of a body. */
  readonly silenceMs: number;
  readonly document: KindLimits;
  readonly archive: KindLimits;
  readonly breaker: { readonly maxFailures: number; readonly pauseMs: number };
  readonly queue: { readonly waiting: number; readonly patienceMs: number };
}

interface KindLimits {
  readonly maxBytes: number;
  /** From beginning to end, also when it is our client who is slow. */
  readonly wholeMs: number;
  readonly atOnce: number;
}

/** Archives have places of their own, so that slow readers of large ones do not keep documents waiting: 32 together. */
export const upstreamLimits: UpstreamLimits = {
  firstByteMs: 10_000,
  silenceMs: 15_000,
  document: { maxBytes: 64 * 1024 * 1024, wholeMs: 60_000, atOnce: 20 },
  archive: { maxBytes: 1024 * 1024 * 1024, wholeMs: 15 * 60_000, atOnce: 12 },
  breaker: { maxFailures: 5, pauseMs: 10_000 },
  queue: { waiting: 200, patienceMs: 10_000 },
};

export interface HttpUpstreamOptions {
  readonly url: string;
  readonly archives: Upstream['archives'];
  /** What we call ourselves there. */
  readonly userAgent: string;
  readonly limits?: Partial<UpstreamLimits> | undefined;
}

export class HttpUpstream implements Upstream {
  readonly url: string;
  readonly archives: Upstream['archives'];
  readonly #userAgent: string;
  readonly #home: URL;
  readonly #limits: UpstreamLimits;
  readonly #breaker: CircuitBreaker;
  readonly #slots: Readonly<Record<UpstreamAsk['kind'], Slots>>;
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxFreeSockets: 8 }),
    'https:': new HttpsAgent({ keepAlive: true, maxFreeSockets: 8 }),
  };

  constructor({ url, archives, userAgent, limits }: HttpUpstreamOptions) {
    this.url = url;
    this.archives = archives;
    this.#userAgent = userAgent;
    this.#home = new URL(url);
    this.#limits = { ...upstreamLimits, ...limits };
    const { breaker, queue, document, archive } = this.#limits;
    this.#breaker = new CircuitBreaker(breaker);
    this.#slots = {
      document: new Slots({ atOnce: document.atOnce, ...queue }),
      archive: new Slots({ atOnce: archive.atOnce, ...queue }),
    };
  }

  /** Requests under way. */
  get active(): number {
    return this.#slots.document.taken + this.#slots.archive.taken;
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  locate(at: string): string {
    return this.#urlOf(at).href;
  }

  async get(ask: UpstreamAsk): Promise<UpstreamAnswer> {
    const url = this.#urlOf(ask.at);
    const leave = await this.#slots[ask.kind].take();
    if (!leave) throw slow('too many requests to the upstream registry are under way; try again shortly');
    try {
      if (!this.#breaker.mayTry(performance.now()))
        throw failed('the upstream registry has failed several times; it is not asked for some seconds');
      const answer = await this.#counted(() => this.#begin(url, ask, leave));
      if (!answer.found) {
        this.#breaker.succeeded();
        leave();
      }
      return answer;
    } catch (error) {
      leave();
      throw asRefusal(error);
    }
  }

  /** Failures of the upstream itself, which every request would meet. What is wrong with one document is not counted. */
  async #counted<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof OfOneDocument)) this.#breaker.failed(performance.now());
      throw error;
    }
  }

  #urlOf(at: string): URL {
    if (!/^[a-z]+:/i.test(at)) return new URL(`${this.url}/${at}`);
    const url = URL.canParse(at) ? new URL(at) : undefined;
    if (!url || !this.#mayGo(url, this.#home))
      throw failed('the upstream registry names an address that is not followed');
    url.username = url.password = '';
    return url;
  }

  async #begin(url: URL, ask: UpstreamAsk, leave: () => void): Promise<UpstreamAnswer> {
    const late = new AbortController();
    const patience = setTimeout(() => late.abort(), this.#limits.firstByteMs);
    try {
      return await this.#follow(url, ask, late.signal, leave);
    } finally {
      // The body has limits of its own.
      clearTimeout(patience);
    }
  }

  async #follow(first: URL, ask: UpstreamAsk, late: AbortSignal, leave: () => void): Promise<UpstreamAnswer> {
    let url = first;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const incoming = await this.#open(url, ask, late);
      const { statusCode: status = 0, headers } = incoming;
      if (status === 200) return this.#found(incoming, ask, leave);
      if (status === 304) {
        incoming.resume();
        return { found: false, because: 'unchanged' };
      }
      incoming.destroy();
      if (status >= 500 || status === 408 || status === 429)
        throw failed(`the upstream registry answers with status ${status}`);
      // Who may not have it there gets it here no sooner.
      if (status >= 400) return { found: false, because: 'missing' };
      url = this.#redirected(url, status, headers.location);
    }
    throw new OfOneDocument(failed(`the upstream registry redirects more than ${MAX_REDIRECTS} times`));
  }

  #redirected(from: URL, status: number, location: string | undefined): URL {
    const to = location !== undefined && URL.canParse(location, from.href) && new URL(location, from);
    if (![301, 302, 303, 307, 308].includes(status) || !to)
      throw new OfOneDocument(failed(`the upstream registry answers with status ${status}`));
    if (!this.#mayGo(to, from))
      throw new OfOneDocument(failed('the upstream registry redirects to an address that is not followed'));
    to.username = to.password = '';
    return to;
  }

  /** Never from https to http, and to hosts that are only reachable from here only where that is the upstream itself. */
  #mayGo(to: URL, from: URL): boolean {
    if (to.protocol !== 'https:' && !(to.protocol === 'http:' && from.protocol === 'http:')) return false;
    return this.#isHome(to) || mayBeGlobal(to.hostname);
  }

  /** The port too: another one on that machine is another service. */
  #isHome({ host }: URL): boolean {
    return host === this.#home.host;
  }

  async #open(url: URL, ask: UpstreamAsk, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#send(url, ask, signal);
    } catch (error) {
      // The other side may close a connection just as we use it again: that tells nothing of how it is.
      if (error instanceof ClosedMeanwhile) return this.#send(url, ask, signal);
      throw error;
    }
  }

  #send(url: URL, ask: UpstreamAsk, signal: AbortSignal): Promise<IncomingMessage> {
    const protocol = url.protocol === 'https:' ? 'https:' : 'http:';
    const request = protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = {
      accept: ask.accept,
      // An archive that arrives packed once more would have to be unpacked to be what its hash says.
      'accept-encoding': ask.kind === 'document' ? 'gzip, br' : 'identity',
      'user-agent': this.#userAgent,
      // Two registries that ask each other find out by it.
      via: Array<string>(ask.hops + 1)
        .fill('1.1 cairn')
        .join(', '),
      ...(ask.ifNoneMatch === undefined ? {} : { 'if-none-match': ask.ifNoneMatch }),
    };
    const guard = this.#isHome(url) ? {} : { lookup: lookupGlobal };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { agent: this.#agents[protocol], headers, signal, ...guard }, resolve);
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (signal.aborted) return reject(slow('the upstream registry does not answer in time'));
        if (outgoing.reusedSocket && error.code === 'ECONNRESET') return reject(new ClosedMeanwhile());
        reject(failed(`the upstream registry cannot be reached (${error.code ?? error.name})`, error));
      });
      outgoing.end();
    });
  }

  #found(incoming: IncomingMessage, ask: UpstreamAsk, leave: () => void): UpstreamAnswer {
    const { maxBytes } = this.#limits[ask.kind];
    const encoding = incoming.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
    const announced = Number(incoming.headers['content-length'] ?? 0);
    const decoded = decoderOf(encoding, incoming);
    if (!decoded || (encoding === 'identity' && announced > maxBytes)) {
      incoming.destroy();
      throw new OfOneDocument(decoded ? tooLarge(maxBytes) : failed(`the upstream packs it as ${encoding}`));
    }
    return {
      found: true,
      contentType: incoming.headers['content-type'],
      etag: incoming.headers.etag,
      // Node ends a body that is shorter with an error, and reads none that is longer.
      size:
        encoding === 'identity' && incoming.headers['content-length'] !== undefined ? announced : undefined,
      body: this.#body(incoming, decoded, ask.kind, leave),
    };
  }

  #body(
    incoming: IncomingMessage,
    decoded: Readable,
    kind: UpstreamAsk['kind'],
    leave: () => void,
  ): AsyncIterableIterator<Uint8Array> {
    const { maxBytes, wholeMs } = this.#limits[kind];
    const { silenceMs } = this.#limits;
    const pieces = decoded[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const giveUp = (): void => void decoded.destroy(slow('the upstream registry is too slow'));
    const whole = setTimeout(giveUp, wholeMs).unref();
    const end = (): void => {
      clearTimeout(whole);
      decoded.destroy();
      if (!incoming.complete) incoming.destroy();
      leave();
    };
    let size = 0;
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        const silence = setTimeout(giveUp, silenceMs);
        try {
          const piece = await this.#counted(() => pieces.next());
          if (piece.done === true) {
            this.#breaker.succeeded();
            end();
          } else if ((size += piece.value.byteLength) > maxBytes) throw tooLarge(maxBytes);
          return piece;
        } catch (error) {
          end();
          throw asRefusal(error);
        } finally {
          clearTimeout(silence);
        }
      },
      return: async () => {
        end();
        return { done: true, value: undefined };
      },
    };
  }
}

/** Undefined for what we did not ask for. */
function decoderOf(encoding: string, incoming: IncomingMessage): Readable | undefined {
  if (encoding === 'identity' || encoding === '') return incoming;
  const decoder =
    encoding === 'gzip' || encoding === 'x-gzip'
      ? createGunzip()
      : encoding === 'br'
        ? createBrotliDecompress()
        : undefined;
  // What goes wrong is seen by whoever reads.
  return decoder && pipeline(incoming, decoder, () => undefined);
}

/** Something is wrong with what was asked for, and not with the upstream as a whole. */
class OfOneDocument extends Error {
  constructor(refusal: RegistryError) {
    super(refusal.message, { cause: refusal });
  }
}

class ClosedMeanwhile extends Error {}

function asRefusal(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (error instanceof OfOneDocument && error.cause instanceof RegistryError) return error.cause;
  return failed('the upstream registry broke off, or what it sent cannot be unpacked', error);
}

function failed(message: string, cause?: unknown): RegistryError {
  return new RegistryError('upstream-failed', message, { cause });
}

function slow(message: string): RegistryError {
  return new RegistryError('upstream-slow', message);
}

function tooLarge(maxBytes: number): RegistryError {
  return failed(`what the upstream registry sends is over the limit of ${maxBytes} bytes`);
}
