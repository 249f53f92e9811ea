/**
 * Holds every request and answer of a server in this process against the API's own document, both ways: what is
 * answered must be described, and (over all tests, `openapi-coverage.ts`) what is described must be answered.
 */
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { allSurfaces } from '../../surfaces/index.ts';

type Json = Record<string, unknown>;

interface Operation extends Json {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: string; schema: Json }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema: Json }> };
  readonly responses: Readonly<Record<string, Response>>;
}
interface Response {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { schema?: Json }>>;
}
export interface Document extends Json {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly sentType: string | undefined;
  readonly sentEncoding: string | undefined;
  readonly sent: Buffer;
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** By the port of the server that answered. */
const exchanges = new Map<number, Exchange[]>();

subscribe('http.server.request.start', (message) => {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
  const port = request.socket.localPort ?? 0;
  const sent = tap(request, 'push');
  const written = [tap(response, 'write'), tap(response, 'end')];
  response.once('finish', () => {
    const known = exchanges.get(port) ?? [];
    exchanges.set(port, known);
    known.push({
      method: request.method ?? '',
      url: request.url ?? '',
      host: request.headers.host ?? '',
      sentType: request.headers['content-type'],
      sentEncoding: request.headers['content-encoding'],
      sent: Buffer.concat(sent),
      status: response.statusCode,
      headers: sentHeaders(response),
      body: Buffer.concat(written.flat()),
    });
  });
});

/** What passes through a method as its first argument, if it is bytes or text. */
function tap(stream: object, method: string): Buffer[] {
  const passed: Buffer[] = [];
  const target = stream as Record<string, (...args: unknown[]) => unknown>;
  const original = target[method]?.bind(stream);
  if (!original) throw new TypeError(`nothing to tap at ${method}`);
  target[method] = (...args) => {
    const [chunk, encoding] = args;
    if (typeof chunk === 'string')
      passed.push(Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'));
    else if (chunk instanceof Uint8Array) passed.push(Buffer.from(chunk));
    return original(...args);
  };
  return passed;
}

/** Also those that `writeHead` got as a list, which Node then does not keep. */
function sentHeaders(response: ServerResponse): Json {
  const head = (response as unknown as { _header: string })._header;
  const lines = head.split('\r\n').slice(1).filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
}

/** @throws AssertionError for the first exchange that its document does not describe. */
export async function checkExchanges(url: string): Promise<void> {
  const port = Number(new URL(url).port);
  const checker = checkerOf(await (await fetch(`${url}/-/cairn/openapi.json`)).text(), url);
  for (const exchange of exchanges.get(port) ?? []) {
    try {
      checker.check(exchange);
    } catch (error) {
      const { method, url, status, body } = exchange;
      const about = `${method} ${url.slice(0, 200)} gave ${status} ${body.toString('utf8').slice(0, 300)}`;
      throw new Error(`the API's document does not describe this: ${about}\n${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  exchanges.delete(port);
}

const checkers = new Map<string, Checker>();

/** Most servers of a process have one document, but for where they are. */
function checkerOf(document: string, url: string): Checker {
  const anywhere = document.replaceAll(new URL(url).host, 'registry.invalid');
  const checker = checkers.get(anywhere) ?? new Checker(JSON.parse(anywhere) as Document);
  checkers.set(anywhere, checker);
  return checker;
}

class Checker {
  readonly #document: Document;
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: Document) {
    this.#document = document;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema(document, 'document');
  }

  check(exchange: Exchange): void {
    const { method, url, host, status, headers, body } = exchange;
    // Another host's root is a second name for a part of this one's paths; a preflight belongs to no operation.
    if (!/^(127\.0\.0\.1|localhost|\[::1\])/.test(host) || method === 'OPTIONS') return;
    const [sentPath = '', ...rest] = url.split('?');
    const [path, query] = [canonical(sentPath), rest.join('?')];
    // A mount answers with and without its final slash.
    const found = this.#pathOf(path) ?? this.#pathOf(`${path}/`);
    if (!found) return assert.ok(status >= 400, 'a success at a path that is not described');
    const operation = this.#document.paths[found]?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
    if (!operation) return assert.ok(status === 405 || status === 503, `${method} is not described`);
    const described =
      operation.responses[status] ?? (status >= 500 ? operation.responses['default'] : undefined);
    assert.ok(described, `${operation.operationId}: status ${status} is not described`);
    const where = `${pointer(found)}/${method === 'HEAD' ? 'get' : method.toLowerCase()}`;
    for (const name of Object.keys(described.headers ?? {}))
      assert.ok(headers[name] !== undefined, `${operation.operationId}: no header ${name}`);
    if (body.byteLength > 0 && method !== 'HEAD') {
      const key = operation.responses[status] ? String(status) : 'default';
      this.#checkBody(`${where}/responses/${key}`, described, headers, body);
    }
    if (status < 300) this.#checkRequest(where, operation, exchange, new URLSearchParams(query));
    record(`${operation.operationId} ${status}`);
  }

  #checkBody(where: string, { content }: Response, headers: Exchange['headers'], body: Buffer): void {
    const type = String(headers['content-type']).split(';')[0] ?? '';
    assert.ok(content, 'a body where none is described');
    const media = content[type];
    assert.ok(media, `content type ${type} is not described; there are: ${Object.keys(content).join(', ')}`);
    if (!media.schema) return;
    this.#validate(`${where}/content/${pointer(type)}/schema`, valueOf(type, body));
  }

  #checkRequest(
    where: string,
    operation: Operation,
    { sentType, sentEncoding, sent }: Exchange,
    query: URLSearchParams,
  ): void {
    for (const [name, text] of query) {
      const at =
        operation.parameters?.findIndex((known) => known.in === 'query' && known.name === name) ?? -1;
      // What a file's path is asked with makes no difference: caches are told apart by it.
      if (at === -1) continue;
      const isText = operation.parameters?.[at]?.schema['type'] === 'string';
      this.#validate(`${where}/parameters/${at}/schema`, isText ? text : parameterValue(text));
    }
    const media = Object.keys(operation.requestBody?.content ?? {});
    if (!media.includes('application/json')) return;
    if (operation.requestBody?.required === false && sent.byteLength === 0) return;
    const type = sentType?.split(';')[0]?.toLowerCase() ?? '';
    assert.ok(media.includes(type), `a body of type ${type} is not described`);
    if (type !== 'application/json') return;
    this.#validate(
      `${where}/requestBody/content/application~1json/schema`,
      valueOf(type, sentEncoding === 'gzip' ? gunzipSync(sent) : sent),
    );
  }

  #validate(at: string, value: unknown): void {
    let validate = this.#validators.get(at);
    if (!validate)
      this.#validators.set(at, (validate = this.#ajv.compile({ $ref: `document#/paths/${at}` })));
    assert.ok(validate(value), `${at}: ${this.#ajv.errorsText(validate.errors)}`);
  }

  /** The described path with the most literal segments. */
  #pathOf(path: string): string | undefined {
    const segments = path.split('/');
    const matching = Object.keys(this.#document.paths).filter((pattern) => {
      const parts = pattern.split('/');
      return (
        parts.length === segments.length &&
        parts.every((part, i) => (part.startsWith('{') ? segments[i] !== '' : part === segments[i]))
      );
    });
    const rank = (pattern: string): string =>
      pattern
        .split('/')
        .map((part) => (part.startsWith('{') ? 1 : 0))
        .join('');
    return matching.sort((a, b) => rank(a).localeCompare(rank(b)))[0];
  }
}

const byMount = allSurfaces.toSorted((a, b) => b.defaultMount.length - a.defaultMount.length);

/**
 * The described spelling of a path: that of the surface with the longest mount before it. At another mount it is whatever they
 * all make of it: other surfaces' paths hold nothing that one of them would spell otherwise.
 */
function canonical(path: string): string {
  const owner = byMount.find(({ defaultMount }) => path.startsWith(`${defaultMount}/`));
  if (owner?.canonicalPath)
    return owner.defaultMount + owner.canonicalPath(path.slice(owner.defaultMount.length));
  return allSurfaces.reduce((spelled, { canonicalPath, defaultMount }) => {
    const mount = spelled.startsWith(`${defaultMount}/`) ? defaultMount : '';
    return mount + (canonicalPath?.(spelled.slice(mount.length)) ?? spelled.slice(mount.length));
  }, path);
}

/** One step of a JSON pointer in a URI (RFC 6901, section 6). */
function pointer(step: string): string {
  return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'));
}

function valueOf(type: string, body: Buffer): unknown {
  const text = body.toString('utf8');
  return /[/+]json$/.test(type) ? (JSON.parse(text) as unknown) : text;
}

function parameterValue(text: string): unknown {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}

function record(seen: string): void {
  const file = process.env['CAIRN_OPENAPI_SEEN'];
  if (file !== undefined) appendFileSync(file, `${seen}\n`);
}
