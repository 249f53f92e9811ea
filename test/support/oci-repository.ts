/** Repositories of a registry in this process, each as its owner meets it: requests are written below the name. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import { digestOf, type DigestAlgorithm } from '../../core/digest.ts';
import { storingNothing } from './asking.ts';
import { send, type Answer, type Sent } from './http.ts';
import { anImage, assertOciError, basic, IMAGE, type Descriptor } from './oci-api.ts';
import { makeToken } from './stored-state.ts';
import { openTestServer, type TestServer } from './test-server.ts';

export interface Asking extends Sent {
  /** All of it, without the query's own escapes undone. */
  readonly path: string;
}

/** `message` is what its sentence has to say. */
export type Refused = readonly [
  what: string,
  asking: Asking,
  status: number,
  code: string,
  message?: RegExp,
  headers?: Readonly<Record<string, string | RegExp>>,
];

export interface OciRepositories {
  readonly server: TestServer;
  ask(asking: Asking): Promise<Answer>;
  /** Of the owner of its namespace, unless another is named. */
  repository(name: string, handle?: string): Promise<OciRepository>;
  /** Nobody else sees it from here on. */
  hide(to: OciRepository): Promise<void>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refused[]): Promise<void>;
}

export interface OciRepository {
  readonly name: string;
  readonly headers: { readonly authorization: string };
  /** A request that is not sent yet. */
  to(method: string, path: string, sent?: Omit<Sent, 'method'>): Asking;
  ask(method: string, path: string, sent?: Omit<Sent, 'method'>): Promise<Answer>;
  /** At a location as the registry gave it. */
  at(method: string, location: string, sent?: Omit<Sent, 'method'>): Promise<Answer>;
  /** Sends a head, and leaves it to the test how the body comes. */
  begin(method: string, location: string, headers?: Readonly<Record<string, string>>): ClientRequest;
  /** The same, byte by byte. */
  connect(t: Pick<TestContext, 'after'>, lines: readonly string[]): Socket;
  /** Begins an upload. */
  upload(): Promise<string>;
  blob(bytes: Buffer | string, algorithm?: DigestAlgorithm): Promise<Descriptor>;
  /** By a tag, or by its digest. */
  manifest(content: object | string, pushed?: Pushed): Promise<Descriptor>;
  /** One layer and a config, of this content, under a tag. */
  image(tag: string, content?: string): Promise<Image>;
}

export interface Pushed {
  readonly tag?: string;
  readonly type?: string;
  readonly algorithm?: DigestAlgorithm;
}

export interface Image {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layer: Descriptor;
}

/** Everything that is pushed is public, unless told otherwise. */
export async function openRepositories(
  t: Pick<TestContext, 'after'>,
  environment: Record<string, string> = { CAIRN_OCI_VISIBILITY: 'public' },
): Promise<OciRepositories> {
  const server = await openTestServer(t, environment);
  const ask = ({ path, ...sent }: Asking): Promise<Answer> => send(server.url, path, sent);
  const tokens = new Map<string, string>();
  return {
    server,
    ask,
    async repository(name, handle = name.split('/')[0] ?? '') {
      const scopes = ['read', 'publish', 'yank', 'owner'] as const;
      const token = tokens.get(handle) ?? (await makeToken(server.data, { handle, scopes }));
      tokens.set(handle, token);
      return repositoryOf(server, name, basic([handle, token]));
    },
    async hide({ name, headers }) {
      const { status, text } = await ask({
        method: 'PUT',
        path: `/api/v1/${name}/visibility`,
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ visibility: 'private' }),
      });
      assert.equal(status, 200, text);
    },
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asking, status, code, message, headers = {}]) => {
        const answer = await ask(asking);
        assertOciError(answer, status, code, message);
        for (const [header, value] of Object.entries(headers))
          if (typeof value === 'string') assert.equal(answer.headers[header], value, header);
          else assert.match(String(answer.headers[header]), value, header);
      }),
  };
}

function repositoryOf(
  server: TestServer,
  name: string,
  headers: { readonly authorization: string },
): OciRepository {
  const { hostname, port } = new URL(server.url);
  const of = (method: string, path: string, sent: Omit<Sent, 'method'> = {}): Asking => ({
    ...sent,
    method,
    path,
    headers: { ...headers, ...sent.headers },
  });
  const to: OciRepository['to'] = (method, path, sent) => of(method, `/v2/${name}/${path}`, sent);
  const at: OciRepository['at'] = (method, location, sent) => {
    const { path, ...asking } = of(method, location, sent);
    return send(server.url, path, asking);
  };
  const ask: OciRepository['ask'] = (method, path, sent) => at(method, `/v2/${name}/${path}`, sent);

  const blob: OciRepository['blob'] = async (content, algorithm) => {
    const body = Buffer.from(content);
    const digest = digestOf(body, algorithm);
    const answer = await ask('POST', `blobs/uploads/?digest=${digest}`, { body });
    assert.equal(answer.status, 201, answer.text);
    return { mediaType: 'application/octet-stream', digest, size: body.length };
  };
  const manifest: OciRepository['manifest'] = async (content, { tag, type, algorithm } = {}) => {
    const body = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
    const said = typeof content === 'string' ? undefined : (content as { mediaType?: string }).mediaType;
    const mediaType = type ?? said ?? IMAGE;
    const digest = digestOf(body, algorithm);
    const sent = { body, headers: { 'content-type': mediaType } };
    const answer = await ask('PUT', `manifests/${tag ?? digest}`, sent);
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.headers['docker-content-digest'], digest);
    return { mediaType, digest, size: body.length };
  };
  return {
    name,
    headers,
    to,
    ask,
    at,
    begin: (method, path, more) =>
      request({ hostname, port, method, path, headers: { ...headers, ...more }, agent: false }),
    connect(t, lines) {
      const socket = connect(Number(port), hostname);
      t.after(() => socket.destroy());
      // What a server does that is hung up on, or hangs up itself, is for the test to see.
      socket.on('error', () => undefined);
      socket.write(
        [...lines, 'host: registry', `authorization: ${headers.authorization}`, '', ''].join('\r\n'),
      );
      return socket;
    },
    async upload() {
      const { status, text, headers: told } = await ask('POST', 'blobs/uploads/');
      assert.equal(status, 202, text);
      return String(told.location);
    },
    blob,
    manifest,
    async image(tag, content = tag) {
      const config = await blob(JSON.stringify({ os: 'linux', content }));
      const layer = await blob(`layer of ${content}`);
      return { manifest: await manifest(anImage(config, [layer]), { tag }), config, layer };
    },
  };
}

/** What was answered to a request that a test has sent in parts. */
export async function answerTo(outgoing: ClientRequest): Promise<Answer> {
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body, text: body.toString('utf8') };
}

/** Says how much of the upload is there, and where it goes on. */
export function assertStands(answer: Answer, status: number, location: string, range: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.location, location);
  assert.equal(answer.headers['range'], range);
  assert.equal(answer.headers['docker-upload-uuid'], location.split('/').at(-1));
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(answer.headers['cache-control'], 'private, no-store');
  // RFC 9110, section 8.6: an answer that can have no body has no length either.
  assert.equal(answer.headers['content-length'], status === 204 ? undefined : '0');
  assert.equal(answer.text, '');
}

/** Says that the blob can be pulled, and it can, at once, by the location that came with it. */
export async function assertTaken(
  answer: Answer,
  { name, at }: OciRepository,
  bytes: Buffer,
  digest: string,
): Promise<void> {
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.location, `/v2/${name}/blobs/${digest}`);
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.equal(answer.headers['content-length'], '0');
  const head = await at('HEAD', `/v2/${name}/blobs/${digest}`);
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(bytes.length)]);
  const got = await at('GET', `/v2/${name}/blobs/${digest}`);
  assert.equal(got.status, 200);
  assert.deepEqual(got.body, bytes);
}

/** The digest of nothing that any test pushes. */
export const NOWHERE = `sha256:${'0'.repeat(64)}`;

/** Where the next page is, which is at this registry whatever it is called. */
export function linkOf({ headers: { link } }: Answer): string | undefined {
  if (link === undefined) return undefined;
  const [, target] = /^<(\/v2\/[^<>\s]+)>; rel="next"$/.exec(String(link)) ?? [];
  assert.ok(target !== undefined, String(link));
  return target;
}

/** Follows links as they are, to the end. */
export async function pagesFrom(to: OciRepository, path: string): Promise<readonly Answer[]> {
  const pages: Answer[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const page = await to.at('GET', next);
    assert.equal(page.status, 200, page.text);
    pages.push(page);
    assert.ok(pages.length < 100, 'pages come to an end');
    next = linkOf(page);
  }
  return pages;
}
