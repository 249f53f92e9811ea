/** Requests to X07's API as tables write them: below the mount, JSON there and JSON back. */
import assert from 'node:assert/strict';
import { asker, storingNothing, type Asked } from './asking.ts';
import { assertPlainError, assertRequestId, assertX07Error, type Answer } from './http.ts';
import { packX07, type X07Package } from './x07-package.ts';

/** `code` is that of the error envelope, without its prefix; none where the answer is plain text. */
export type Refusal = readonly [
  what: string,
  asked: Asked,
  status: number,
  code: string | undefined,
  message?: string,
];

export type { Asked };

export interface X07Api {
  ask(asked: Asked): Promise<Answer>;
  /** @throws AssertionError unless the answer is 200 and compact JSON that begins with `ok`; without that `ok`. */
  ok<T = Record<string, unknown>>(asked: Asked): Promise<T>;
  publish(wanted: X07Package, token: string): Promise<{ cksum: string }>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export function x07Api(server: { url: string; data: string }, mount = '/x07'): X07Api {
  const ask = asker(server, mount);
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
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, code, message]) => {
        const answer = await ask(asked);
        if (code === undefined) return assertPlainError(answer, status);
        const error = assertX07Error(answer, status, code);
        if (message !== undefined) assert.equal(error.message, message);
      }),
  };
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
