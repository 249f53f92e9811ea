/** A registry with another behind it, and what it takes to have packages of its own. */
import type { TestContext } from 'node:test';
import type { UpstreamLimits } from '../../stores/upstream-http.ts';
import { upstreamLimits } from '../../stores/upstream-http.ts';
import { openFakeUpstream, type FakeUpstream } from './fake-upstream.ts';
import { send, type Answer } from './http.ts';
import { npmApi, type NpmApi } from './npm-api.ts';
import { openTestServer, type TestServer } from './test-server.ts';

export interface WithFallback {
  readonly upstream: FakeUpstream;
  readonly server: TestServer;
  /** URL of the npm mount, without a final slash. */
  readonly base: string;
  readonly api: NpmApi;
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
    api: npmApi(server, below),
    get: (path, headers = {}) => send(server.url, below + path, { headers }),
  };
}
