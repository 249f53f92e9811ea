/** Requests to an OCI registry as its clients make them: a challenge, a token, and the same again. */
import assert from 'node:assert/strict';
import { digestOf } from '../../core/digest.ts';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, type Answer } from './http.ts';

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export type Credentials = readonly [handle: string, secret: string];

export interface Refusal {
  readonly what: string;
  readonly asked: Asked;
  readonly status: number;
  readonly code: string;
  readonly message?: RegExp;
}

export interface OciApi {
  readonly ask: Ask;
  /** A token for these scopes; of nobody without credentials. */
  token(scopes: readonly string[], credentials?: Credentials): Promise<string>;
  /** Asks, and where it is told to get a token gets it, and asks again: what every client does. */
  as(credentials: Credentials | undefined, asked: Asked): Promise<Answer>;
  /** In one request. */
  pushBlob(name: string, bytes: Buffer, credentials: Credentials): Promise<Descriptor>;
  pushManifest(
    name: string,
    reference: string | undefined,
    manifest: object,
    credentials: Credentials,
  ): Promise<Descriptor>;
  /** An image with one layer, under a tag; layer and config are pushed as well. */
  pushImage(name: string, tag: string, credentials: Credentials, content?: string): Promise<PushedImage>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export interface PushedImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layer: Descriptor;
}

export function ociApi(server: { url: string; data: string }): OciApi {
  const ask = asker(server, '');

  async function token(scopes: readonly string[], credentials?: Credentials): Promise<string> {
    const query = new URLSearchParams([
      ['service', 'oci-registry'],
      ...scopes.map((scope): [string, string] => ['scope', scope]),
    ]);
    const answer = await ask({
      path: `auth/token?${query.toString()}`,
      ...(credentials ? { headers: basic(credentials) } : {}),
    });
    assert.equal(answer.status, 200, answer.text);
    return (JSON.parse(answer.text) as { token: string }).token;
  }

  async function as(credentials: Credentials | undefined, asked: Asked): Promise<Answer> {
    const first = await ask(asked);
    if (first.status !== 401) return first;
    const { scope, error } = challengeOf(first);
    assert.equal(error, undefined);
    const got = await token(scope === undefined ? [] : [scope], credentials);
    return ask({ ...asked, headers: { ...asked.headers, authorization: `Bearer ${got}` } });
  }

  async function pushBlob(name: string, bytes: Buffer, credentials: Credentials): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const path = `v2/${name}/blobs/uploads/?digest=${digest}`;
    const answer = await as(credentials, { method: 'POST', path, body: bytes });
    assert.equal(answer.status, 201, answer.text);
    return { mediaType: 'application/octet-stream', digest, size: bytes.length };
  }

  async function pushManifest(
    name: string,
    reference: string | undefined,
    manifest: object,
    credentials: Credentials,
  ): Promise<Descriptor> {
    const body = Buffer.from(JSON.stringify(manifest));
    const digest = digestOf(body);
    const mediaType = (manifest as { mediaType?: string }).mediaType ?? IMAGE;
    const answer = await as(credentials, {
      method: 'PUT',
      path: `v2/${name}/manifests/${reference ?? digest}`,
      headers: { 'content-type': mediaType },
      body,
    });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.headers['docker-content-digest'], digest);
    return { mediaType, digest, size: body.length };
  }

  return {
    ask,
    token,
    as,
    pushBlob,
    pushManifest,
    async pushImage(name, tag, credentials, content = tag) {
      const config = await pushBlob(name, Buffer.from(JSON.stringify({ os: 'linux', content })), credentials);
      const layer = await pushBlob(name, Buffer.from(`layer of ${content}`), credentials);
      const manifest = await pushManifest(name, tag, anImage(config, [layer]), credentials);
      return { manifest, config, layer };
    },
    refuses: (rows) =>
      storingNothing(
        server,
        rows.map((row) => [row.what, row] as const),
        async ([, { asked, status, code, message }]) => {
          assertOciError(await ask(asked), status, code, message);
        },
      ),
  };
}

export function anImage(config: Descriptor, layers: readonly Descriptor[], more: object = {}): object {
  return { schemaVersion: 2, mediaType: IMAGE, config, layers, ...more };
}

export function anIndex(manifests: readonly Descriptor[], more: object = {}): object {
  return { schemaVersion: 2, mediaType: INDEX, manifests, ...more };
}

export function basic([handle, secret]: Credentials): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${handle}:${secret}`).toString('base64')}` };
}

/** What a 401 tells (contract, section 10.1): one challenge, of one scheme, its values quoted. */
export function challengeOf({ headers }: Answer): Record<string, string> {
  const text = String(headers['www-authenticate']);
  assert.match(text, /^Bearer (?:[a-z]+="[^"]*")(?:,[a-z]+="[^"]*")*$/);
  assert.doesNotMatch(text.slice('Bearer'.length), /basic|bearer/i);
  return Object.fromEntries<string>(
    [...text.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

export function assertOciError(answer: Answer, status: number, code: string, message: RegExp = /./): void {
  const id = assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  if (status === 401) assert.ok(answer.headers['www-authenticate'], 'a 401 says what to do');
  const { errors } = JSON.parse(answer.text) as {
    errors: { code: string; message: string; detail: { request_id: string } }[];
  };
  assert.equal(errors.length, 1);
  assert.equal(errors[0]?.code, code, answer.text);
  assert.match(errors[0].message, message);
  assert.equal(errors[0].detail.request_id, id);
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(errors[0].message, /\n\s+at |node_modules\/|\/uploads\/(?:open|held)|\/incoming\//);
}
