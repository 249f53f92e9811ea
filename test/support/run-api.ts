/** Requests to Run's routes, as its client sends them, byte for byte (contract, sections 2, 3 and 5). */
import assert from 'node:assert/strict';
import { asker, storingNothing, type Ask, type Asked } from './asking.ts';
import { assertRequestId, bearer, type Answer } from './http.ts';
import { sha256 } from './traffic.ts';
import { emptyComponent } from './wasm-binary.ts';

export interface RunRelease {
  readonly name: string;
  readonly version: string;
  readonly component?: Buffer;
  readonly description?: string;
  /** What the client never sends, and others do. */
  readonly more?: Readonly<Record<string, string>>;
}

export interface RunMetadata {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly size: number;
  readonly sha256: string;
  readonly download_url: string;
  readonly published_at: number;
  readonly yanked: boolean;
  readonly digest: string;
  readonly dependencies: readonly object[];
  readonly targets: readonly string[];
}

export type Refused = readonly [what: string, asked: Asked, status: number, says: RegExp];

export interface RunApi {
  readonly ask: Ask;
  /** The answer's JSON. @throws AssertionError unless it is 200, JSON, and for pages of every origin. */
  json<T = unknown>(path: string): Promise<T>;
  publish(release: RunRelease, token: string): Promise<void>;
  versions(name: string): Promise<readonly string[]>;
  metadata(name: string, version: string): Promise<RunMetadata>;
  /** @throws AssertionError unless each is refused as it says, in one line of text, and nothing is stored by all of them. */
  refuses(rows: readonly Refused[]): Promise<void>;
}

export function runApi(server: { url: string; data: string }, mount = '/run'): RunApi {
  const ask = asker(server, mount);
  const json: RunApi['json'] = async (path) => {
    const answer = await ask({ path });
    assert.equal(answer.status, 200, `${path}: ${answer.status} ${answer.text}`);
    assert.equal(answer.headers['content-type'], 'application/json');
    assertOpen(answer);
    return JSON.parse(answer.text) as never;
  };
  return {
    ask,
    json,
    async publish(release, token) {
      const answer = await ask(publishOf(release, token));
      assert.equal(answer.status, 201, answer.text);
    },
    async versions(name) {
      return (await json<{ versions: string[] }>(`api/v1/packages/${encodeURIComponent(name)}/versions`))
        .versions;
    },
    metadata: (name, version) => json(`api/v1/packages/${encodeURIComponent(name)}/${version}`),
    refuses: (rows) =>
      storingNothing(server, rows, async ([, asked, status, says]) =>
        assertRefusal(await ask(asked), status, says),
      ),
  };
}

/** A part of a form: a text, or a file. */
export type Part = readonly [field: string, value: string | Buffer, filename?: string];

/** What the client sends: these parts in this order, with a length. */
export function publishOf(release: RunRelease, token?: string): Asked {
  const { name, version, component = emptyComponent, description = 'Hello world component' } = release;
  return formOf(
    [
      ['name', name],
      ['version', version],
      ['description', description],
      ['sha256', sha256(component)],
      ...Object.entries(release.more ?? {}),
      ['component', component, `${name}.wasm`],
    ],
    token,
  );
}

const boundary = 'b0undary-5e2f3d8c1a7b4960';

export function formOf(parts: readonly Part[], token?: string): Asked {
  const pieces = parts.flatMap(([field, value, filename]) => {
    const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: application/wasm`;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${field}"${file}\r\n\r\n`;
    return [Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')];
  });
  return {
    path: 'api/v1/packages',
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'user-agent': 'run/0.7.1',
      accept: '*/*',
      ...(token === undefined ? {} : bearer(token)),
    },
  };
}

/** People read the body as it stands; what is not there has none. */
export function assertRefusal(answer: Answer, status: number, says: RegExp): void {
  assertRequestId(answer);
  assert.equal(answer.status, status, answer.text);
  assertOpen(answer);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.match(answer.text, says);
  assert.doesNotMatch(answer.text, /\n|node_modules|\/incoming\//);
  if (status === 404) assert.equal(answer.text, '');
  else assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
}

export function assertOpen({ headers }: Answer): void {
  assert.equal(headers['access-control-allow-origin'], '*');
}
