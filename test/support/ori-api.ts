/** Requests to the Ori registry as its plan describes them (contract of Ori). There is no client that sends any. */
import assert from 'node:assert/strict';
import { scopesOf, TOKEN_PREFIX, type Permission } from '../../ecosystems/ori/permissions.ts';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, bearer, type Answer } from './http.ts';
import { packOri, type OriPackage } from './ori-package.ts';
import { makeToken } from './stored-state.ts';

/** Tests ask more often than clients may. */
export const unlimited = { CAIRN_LIMITS: 'ori=off' } as const;

export interface Published {
  readonly name: string;
  readonly version: string;
  readonly checksum: string;
  readonly size: number;
  readonly published_at: string;
}

export type Refusal = readonly [
  what: string,
  asked: Asked,
  status: number,
  code: string,
  message?: RegExp | undefined,
];

export interface OriApi {
  readonly ask: Ask;
  /** @throws AssertionError unless the answer is JSON with this status, 200 where nothing is said. */
  ok<T = Record<string, unknown>>(asked: Asked, status?: number): Promise<T>;
  publish(wanted: OriPackage, token: string): Promise<Published>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
  versions(name: string): Promise<Versions>;
  metadata(name: string, version: string): Promise<Record<string, unknown>>;
}

export interface Versions {
  readonly name: string;
  readonly versions: readonly string[];
  readonly releases: readonly (Record<string, unknown> & { readonly version: string })[];
}

/** `v1/packages/acme/json` of `@acme/json`. */
export function pathOf(name: string, rest: string): string {
  return `v1/packages/${name.slice(1)}/${rest}`;
}

export function oriApi(server: { url: string; data: string }, mount = '/ori'): OriApi {
  const ask = asker(server, mount);
  const ok: OriApi['ok'] = async (asked, status = 200) => {
    const answer = await ask(asked);
    assert.equal(answer.status, status, `${asked.path}: ${answer.status} ${answer.text}`);
    assertRequestId(answer);
    assert.equal(answer.headers['content-type'], 'application/json');
    return JSON.parse(answer.text) as never;
  };
  return {
    ask,
    ok,
    publish: async (wanted, token) =>
      ok<Published>(await publishOf(wanted.name, packOri(wanted), token), 201),
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, code, message]) => {
        const { detail } = assertProblem(await ask(asked), status, code);
        if (message) assert.match(detail, message);
      }),
    versions: (name) => ok<Versions>({ path: pathOf(name, 'versions') }),
    metadata: (name, version) => ok({ path: pathOf(name, `${version}/metadata`) }),
  };
}

interface FormWish {
  /** What the file is called in the form. */
  readonly part?: string;
  readonly texts?: Readonly<Record<string, string>>;
}

export async function publishOf(
  name: string,
  archive: Buffer,
  token?: string,
  { part = 'archive', texts = {} }: FormWish = {},
): Promise<Asked> {
  const form = new FormData();
  for (const [field, text] of Object.entries(texts)) form.append(field, text);
  form.append(part, new Blob([new Uint8Array(archive)], { type: 'application/gzip' }), 'package.oripk');
  return formTo(pathOf(name, 'publish'), form, token);
}

export async function formTo(path: string, form: FormData, token?: string): Promise<Asked> {
  const encoded = new Response(form);
  return {
    method: 'POST',
    path,
    body: Buffer.from(await encoded.arrayBuffer()),
    headers: {
      'content-type': encoded.headers.get('content-type') ?? '',
      ...(token === undefined ? {} : bearer(token)),
    },
  };
}

export function oriToken(data: string, handle: string, permission: Permission = 'admin'): Promise<string> {
  return makeToken(data, { handle, scopes: scopesOf(permission), prefix: TOKEN_PREFIX });
}

interface Problem {
  readonly detail: string;
  readonly checksum?: string;
  readonly removed?: object;
}

/** RFC 9457 (contract, section 12), and what RFC 6750 wants with 401 and 403. */
export function assertProblem(answer: Answer, status: number, code: string): Problem {
  const id = assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const problem = JSON.parse(answer.text) as Record<string, unknown> & Problem;
  assert.equal(problem['code'], code, problem.detail);
  assert.equal(problem['status'], status);
  assert.equal(problem['type'], 'about:blank');
  assert.equal(problem['request_id'], id);
  assert.match(String(problem['title']), /^[A-Z][A-Za-z -]+$/);
  assert.notEqual(problem.detail.trim(), '');
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(problem.detail, /\n\s+at |node_modules\/|\/incoming\//);
  assert.equal(answer.headers['www-authenticate'] !== undefined, status === 401 || isOfScope(answer));
  return problem;
}

function isOfScope({ headers }: Answer): boolean {
  return headers['www-authenticate'] === 'Bearer realm="ori", error="insufficient_scope"';
}
