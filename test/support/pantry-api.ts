/** Requests to Pantry's API as its clients make them: forms byte for byte, JSON with archives in base64. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, type Answer } from './http.ts';
import { packNpm, packageJson, type NpmPackage } from './npm-package.ts';
import { ADMIN_TOKEN } from './server-process.ts';

/** One part of a form. With a `filename` it is a file. */
export interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly type?: string;
  readonly content: string | Buffer;
}

/** `message` is the whole sentence, or a pattern for a part of it. */
export type Refusal = readonly [what: string, asked: Asked, status: number, message: string | RegExp];

export interface PantryApi {
  readonly ask: Ask;
  /** URL of the mount, without a final slash. */
  readonly base: string;
  /** @throws AssertionError unless the answer is 200 or 201, JSON, and open to pages of every origin. */
  ok<T = Record<string, unknown>>(asked: Asked): Promise<T>;
  /** As the command line does: the tarball first, and its whole package.json beside it. */
  publish(wanted: NpmPackage, token?: string): Promise<Answer>;
  publishCommit(sha: string, wanted: readonly NpmPackage[], token?: string): Promise<Answer>;
  /** @throws AssertionError unless each is refused as it says, and nothing at all is stored by all of them. */
  refuses(rows: readonly Refusal[]): Promise<void>;
}

export function pantryApi(server: { url: string; data: string }, mount = '/pantry'): PantryApi {
  const ask = asker(server, mount);
  return {
    ask,
    base: server.url + mount,
    async ok(asked) {
      const answer = await ask(asked);
      assert.ok(
        answer.status === 200 || answer.status === 201,
        `${asked.path}: ${answer.status} ${answer.text}`,
      );
      assertRequestId(answer);
      assert.equal(answer.headers['content-type'], 'application/json;charset=utf-8');
      assertOpenToAll(answer);
      return JSON.parse(answer.text) as never;
    },
    publish: (wanted, token = ADMIN_TOKEN) =>
      ask({
        path: 'publish',
        token,
        ...form([tarballPart(packNpm(wanted)), { name: 'metadata', content: metadataText(wanted) }]),
      }),
    publishCommit: (sha, wanted, token = ADMIN_TOKEN) =>
      ask({ path: 'publish/commit', token, ...form(commitParts(sha, wanted)) }),
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, message]) => {
        assertPantryError(await ask(asked), status, message);
      }),
  };
}

export function metadataText(wanted: NpmPackage): string {
  return JSON.stringify(packageJson(wanted), null, 2);
}

export function tarballPart(content: Buffer, name = 'tarball'): Part {
  return { name, filename: 'package.tgz', type: 'application/octet-stream', content };
}

/** What the command line sends for packages of a commit. */
export function commitParts(sha: string, wanted: readonly NpmPackage[]): Part[] {
  const packages = wanted.map(({ name, version }) => ({ name, version, packageDir: `packages/${name}` }));
  const repository = 'https://git.example/acme/all';
  return [
    { name: 'metadata', type: 'text/plain', content: JSON.stringify({ sha, repository, packages }) },
    ...wanted.map((one) => tarballPart(packNpm(one), `package:${one.name}`)),
  ];
}

/** The body, and the header that names its boundary. */
export function form(
  parts: readonly Part[],
  boundary = '----PantryUploadBoundary7MA4YWxkTrZu0gW',
): { body: Buffer; headers: Record<string, string> } {
  const pieces = parts.flatMap(({ name, filename, type, content }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
        (filename === undefined ? '' : `; filename="${filename}"`) +
        (type === undefined ? '' : `\r\nContent-Type: ${type}`) +
        '\r\n\r\n',
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  };
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A scoped name in each spelling that a path may have (contract, section 1). */
export function spellings(name: string): readonly string[] {
  return [name, name.replace('/', '%2F'), encodeURIComponent(name), encodeURIComponent(name).toLowerCase()];
}

export function assertOpenToAll({ headers }: Answer): void {
  assert.deepEqual(
    [
      headers['access-control-allow-origin'],
      headers['access-control-allow-methods'],
      headers['access-control-allow-headers'],
    ],
    ['*', 'GET, POST, DELETE, OPTIONS', 'Content-Type, Authorization'],
  );
}

/** `{"error": "a sentence"}` and nothing else, whatever the path. */
export function assertPantryError(answer: Answer, status: number, message: string | RegExp): void {
  assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json;charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assertOpenToAll(answer);
  const said = JSON.parse(answer.text) as { error: string };
  assert.deepEqual(Object.keys(said), ['error']);
  // What a bug would leak: a place in our code, or on our disk.
  assert.doesNotMatch(said.error, /\n\s+at |node_modules\/|\/incoming\//);
  if (typeof message === 'string') assert.equal(said.error, message);
  else assert.match(said.error, message);
}
