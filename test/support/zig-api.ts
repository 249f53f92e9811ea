/** Requests to the Zig routes as Pantry's clients make them. */
import assert from 'node:assert/strict';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, bearer, type Answer } from './http.ts';

export interface ZigUpload {
  readonly tarball?: Buffer;
  readonly filename?: string;
  /** The text of a build.zig.zon, beside the archive. */
  readonly manifest?: string;
  readonly description?: string;
}

/** The answer to a publish. */
export interface Published {
  readonly success: true;
  readonly message: string;
  readonly hash: string;
  readonly legacyHash: string;
  readonly tarballUrl: string;
  readonly fetchCommand: string;
  readonly dependency: string;
  readonly warnings?: readonly string[];
}

export type ZigMetadata = Record<string, unknown> &
  Omit<Published, 'success' | 'message' | 'warnings'> & {
    readonly name: string;
    readonly version: string;
    readonly publishedAt: string;
  };

export type Refusal = readonly [what: string, asked: Asked, status: number, message: string | RegExp];

export interface ZigApi {
  readonly ask: Ask;
  /** @throws AssertionError unless the answer is 200 or 201 and JSON. */
  ok<T = ZigMetadata>(asked: Asked): Promise<T>;
  publish(upload: ZigUpload, token: string): Promise<Published>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export function zigApi(server: { url: string; data: string }, mount = '/zig'): ZigApi {
  const ask = asker(server, mount);
  const ok: ZigApi['ok'] = async (asked) => {
    const answer = await ask(asked);
    assert.ok(
      answer.status === 200 || answer.status === 201,
      `${asked.path}: ${answer.status} ${answer.text}`,
    );
    assert.equal(answer.headers['content-type'], 'application/json;charset=utf-8');
    assertOpenToAll(answer);
    return JSON.parse(answer.text) as never;
  };
  return {
    ask,
    ok,
    publish: async (upload, token) => ok<Published>(await publishOf(upload, token)),
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, message]) => {
        assertPantryError(await ask(asked), status, message);
      }),
  };
}

/** The form that Pantry's clients send: the file first. */
export async function publishOf(upload: ZigUpload, token?: string): Promise<Asked> {
  const { tarball, filename = 'package.tar.gz', manifest, description } = upload;
  const form = new FormData();
  if (tarball) form.append('tarball', new Blob([new Uint8Array(tarball)]), filename);
  if (manifest !== undefined) form.append('manifest', manifest);
  if (description !== undefined) form.append('description', description);
  return formTo('publish', form, token);
}

export async function formTo(path: string, form: FormData, token?: string): Promise<Asked> {
  const encoded = new Response(form);
  return {
    path,
    body: Buffer.from(await encoded.arrayBuffer()),
    headers: {
      'content-type': encoded.headers.get('content-type') ?? '',
      ...(token === undefined ? {} : bearer(token)),
    },
  };
}

export function assertPantryError(answer: Answer, status: number, message: string | RegExp): void {
  assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json;charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assertOpenToAll(answer);
  const body = JSON.parse(answer.text) as { error: string };
  assert.deepEqual(Object.keys(body), ['error']);
  if (typeof message === 'string') assert.equal(body.error, message);
  else assert.match(body.error, message);
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(body.error, /\n\s+at |node_modules\/|\/incoming\//);
}

function assertOpenToAll({ headers }: Answer): void {
  assert.equal(headers['access-control-allow-origin'], '*');
}
