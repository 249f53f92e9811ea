/** Requests to X07's API as tables write them: below the mount, JSON there and JSON back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { git } from './git.ts';
import { assertPlainError, assertRequestId, assertX07Error, bearer, send, type Answer } from './http.ts';
import { storedState, type StoredState } from './stored-state.ts';
import { packX07, type X07Package } from './x07-package.ts';

export interface Asked {
  /** `POST` where something is sent, `GET` otherwise. */
  readonly method?: string;
  /** Below the mount, without a slash before it. */
  readonly path: string;
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `code` is that of the error envelope, without its prefix; none where the answer is plain text. */
export type Refusal = readonly [
  what: string,
  asked: Asked,
  status: number,
  code: string | undefined,
  message?: string,
];

export interface X07Api {
  ask(asked: Asked): Promise<Answer>;
  /** @throws AssertionError unless the answer is 200 and compact JSON that begins with `ok`; without that `ok`. */
  ok<T = Record<string, unknown>>(asked: Asked): Promise<T>;
  publish(wanted: X07Package, token: string): Promise<{ cksum: string }>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export function x07Api(server: { url: string; data: string }, mount = '/x07'): X07Api {
  const ask = ({ path, token, json, body, headers, method }: Asked): Promise<Answer> => {
    const sent = json === undefined ? body : JSON.stringify(json);
    return send(server.url, `${mount}/${path}`, {
      method: method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : bearer(token)),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    });
  };
  const ok: X07Api['ok'] = async (asked) => {
    const answer = await ask(asked);
    assert.equal(answer.status, 200, `${asked.path}: ${answer.text}`);
    assertRequestId(answer);
    assert.equal(answer.headers['content-type'], 'application/json');
    const { ok, ...fields } = JSON.parse(answer.text) as Record<string, unknown>;
    assert.equal(ok, true);
    assert.equal(answer.text, JSON.stringify({ ok, ...fields }), 'compact, and `ok` first');
    return fields as never;
  };
  return {
    ask,
    ok,
    publish: (wanted, token) =>
      ok({ path: 'v1/packages/publish', token, body: packX07(wanted), method: 'POST' }),
    async refuses(rows) {
      const before = await everythingStored(server);
      for (const [what, asked, status, code, message] of rows)
        try {
          const answer = await ask(asked);
          if (code === undefined) assertPlainError(answer, status);
          else {
            const error = assertX07Error(answer, status, code);
            if (message !== undefined) assert.equal(error.message, message);
          }
        } catch (error) {
          throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
        }
      assert.deepEqual(await everythingStored(server), before);
    },
  };
}

/** Also what the private log says: accounts and tokens. */
async function everythingStored(server: {
  url: string;
  data: string;
}): Promise<StoredState & { privateLog: string }> {
  const privateLog = git(join(server.data, 'private.git'), ['for-each-ref', '--format=%(objectname)']);
  return { ...(await storedState(server)), privateLog };
}

/** What endpoints that read JSON refuse in plain text, before anybody is asked who they are (contract, section 3). */
export function framedRefusals(path: string, token: string): readonly Refusal[] {
  const json = { 'content-type': 'application/json' };
  const rows: readonly (readonly [what: string, sent: Partial<Asked>, status: number])[] = [
    ['no content type', { body: '{}' }, 415],
    ['a form', { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['nothing', { body: '', headers: json }, 400],
    ['half a body', { body: '{"a":', headers: json }, 400],
    ['an array', { json: [] }, 422],
    ['null', { json: null }, 422],
    ['a text', { json: 'x' }, 422],
    ['more than 2 MiB', { json: { x: 'x'.repeat(2 * 1024 * 1024) } }, 413],
  ];
  return rows.flatMap(([what, sent, status]) => [
    [`${what} at ${path}`, { path, token, ...sent }, status, undefined] as const,
    [`${what} at ${path} without a token`, { path, ...sent }, status, undefined] as const,
  ]);
}
