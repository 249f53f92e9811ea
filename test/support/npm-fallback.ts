/** A registry with another behind it, and what it takes to have packages of its own. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import type { UpstreamLimits } from '../../stores/upstream-http.ts';
import { upstreamLimits } from '../../stores/upstream-http.ts';
import { openFakeUpstream, type FakeUpstream } from './fake-upstream.ts';
import { bearer, send, type Answer } from './http.ts';
import { ADMIN_TOKEN } from './server-process.ts';
import { openTestServer, type TestServer } from './test-server.ts';

export interface WithFallback {
  readonly upstream: FakeUpstream;
  readonly server: TestServer;
  /** URL of the npm mount, without a final slash. */
  readonly base: string;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

/** Patience in milliseconds instead of seconds. Only a test of slowness waits for it to end. */
export const impatient: UpstreamLimits = {
  ...upstreamLimits,
  firstByteMs: 300,
  silenceMs: 300,
  document: { ...upstreamLimits.document, wholeMs: 2_000 },
};

export interface Surroundings {
  readonly mount?: '/' | '/npm';
  readonly tarballs?: 'redirect' | 'stream';
  readonly limits?: Partial<UpstreamLimits>;
  readonly env?: Record<string, string>;
  /** Below the root of the upstream. */
  readonly prefix?: string;
}

export async function openWithFallback(t: TestContext, around: Surroundings = {}): Promise<WithFallback> {
  const { mount = '/npm', tarballs = 'redirect', limits, env, prefix = '' } = around;
  const upstream = await openFakeUpstream(t);
  const server = await openTestServer(
    t,
    {
      CAIRN_MOUNTS: mount === '/' ? 'npm=/' : 'x07=/x07,npm=/npm',
      ...(mount === '/' ? { CAIRN_ECOSYSTEMS: 'npm' } : {}),
      CAIRN_NPM_FALLBACK: upstream.url + prefix,
      CAIRN_NPM_FALLBACK_TARBALLS: tarballs,
      ...env,
    },
    limits ? { upstreamLimits: limits } : {},
  );
  const below = mount === '/' ? '' : mount;
  return {
    upstream,
    server,
    base: server.url + below,
    get: (path, headers = {}) => send(server.url, below + path, { headers }),
  };
}

/** Publishes as npm does. */
export async function publishNpm(
  base: string,
  name: string,
  version: string,
  access: 'public' | 'restricted' = 'public',
): Promise<void> {
  const archive = await packNpm({ name, version });
  const unscoped = name.slice(name.indexOf('/') + 1);
  const document = {
    _id: name,
    name,
    access,
    'dist-tags': { latest: version },
    versions: { [version]: { name, version, dist: {} } },
    _attachments: {
      [`${unscoped}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: archive.toString('base64'),
        length: archive.byteLength,
      },
    },
  };
  const { origin, pathname } = new URL(base);
  const answer = await send(origin, `${pathname.replace(/\/$/, '')}/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { ...bearer(ADMIN_TOKEN), 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
  assert.equal(answer.status, 201, answer.text);
}

export async function packNpm(manifest: { name: string; version: string }): Promise<Buffer> {
  const pack = tar.pack();
  pack.entry({ name: 'package/package.json' }, JSON.stringify(manifest));
  pack.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of pack) pieces.push(piece as Buffer);
  return gzipSync(Buffer.concat(pieces));
}

export function sha512Of(bytes: Buffer): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}
