/** Requests to npm's API as its clients make them. */
import assert from 'node:assert/strict';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, type Answer } from './http.ts';
import { publishDocument, type DocumentOptions, type NpmPackage } from './npm-package.ts';

/** `message` is a part of the sentence. */
export type Refusal = readonly [what: string, asked: Asked, status: number, message?: string | RegExp];

export type Packument = Record<string, unknown> & {
  readonly _rev: string;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, VersionObject>>;
  readonly time: Readonly<Record<string, string>>;
  readonly maintainers: readonly { readonly name: string }[];
};
export type VersionObject = Record<string, unknown> & { readonly dist: Readonly<Record<string, unknown>> };

export interface NpmApi {
  readonly ask: Ask;
  /** @throws AssertionError unless the answer is 200 or 201 and JSON. */
  ok<T = Record<string, unknown>>(asked: Asked): Promise<T>;
  publish(wanted: NpmPackage, token: string, options?: DocumentOptions): Promise<Answer>;
  packument(name: string, token?: string): Promise<Packument>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export function npmApi(server: { url: string; data: string }, mount = '/npm'): NpmApi {
  const ask = asker(server, mount);
  const ok: NpmApi['ok'] = async (asked) => {
    const answer = await ask(asked);
    assert.ok(
      answer.status === 200 || answer.status === 201,
      `${asked.path}: ${answer.status} ${answer.text}`,
    );
    assertRequestId(answer);
    assert.equal(answer.headers['content-type'], 'application/json');
    return JSON.parse(answer.text) as never;
  };
  return {
    ask,
    ok,
    publish: (wanted, token, options) =>
      ask({ method: 'PUT', path: escaped(wanted.name), token, json: publishDocument(wanted, options) }),
    packument: (name, token) => ok({ path: escaped(name), ...(token === undefined ? {} : { token }) }),
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, message]) => {
        assertNpmError(await ask(asked), status, message);
      }),
  };
}

/** As npm spells a name in a URL. */
export function escaped(name: string): string {
  return name.replace('/', '%2f');
}

export function assertNpmError(answer: Answer, status: number, message?: string | RegExp): void {
  const id = assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { error, request_id } = JSON.parse(answer.text) as Record<string, string>;
  assert.equal(request_id, id);
  assert.ok(error !== undefined && error.trim() !== '');
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(error, /\n\s+at |node_modules\/|\/incoming\//);
  if (typeof message === 'string') assert.ok(error.includes(message), error);
  else if (message) assert.match(error, message);
}
