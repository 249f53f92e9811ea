/** A server in this process over a temporary directory: fast, for tests of requests and answers. */
import type { TestContext } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import type { UpstreamLimits } from '../../stores/upstream-http.ts';
import { checkExchanges } from './openapi-check.ts';
import { ADMIN_TOKEN } from './server-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { storeEnvironment } from './test-store.ts';
import { packX07, type X07Package } from './x07-package.ts';

export interface TestServer {
  readonly url: string;
  /** URL of the X07 mount, without a final slash. */
  readonly x07: string;
  readonly data: string;
  publish(wanted: X07Package | Buffer, token?: string): Promise<Response>;
}

process.env['CAIRN_LOG_LEVEL'] ??= 'silent';

interface TestServerOptions {
  /** For tests that put bytes on the site which no registry would. */
  readonly isDescribed?: boolean;
  /** Of the npm fallback: tests of slowness cannot wait as long as servers. */
  readonly upstreamLimits?: Partial<UpstreamLimits>;
  /** A directory that outlives the server; a fresh one otherwise. */
  readonly data?: string;
}

/** What it answers is held against the API's document when the test ends. */
export async function openTestServer(
  t: Pick<TestContext, 'after'>,
  environment: Record<string, string> = {},
  { isDescribed = true, upstreamLimits, data: given }: TestServerOptions = {},
): Promise<TestServer> {
  const data = given ?? (await temporaryDirectory(t));
  const options = readOptions(
    { data, listen: '127.0.0.1:0' },
    // No test asks anybody outside.
    {
      CAIRN_ADMIN_TOKEN: ADMIN_TOKEN,
      CAIRN_NPM_FALLBACK: 'false',
      ...(await storeEnvironment(data)),
      ...environment,
    },
  );
  const server = await serve(
    upstreamLimits
      ? { ...options, npmFallback: { ...options.npmFallback, limits: upstreamLimits } }
      : options,
    () => undefined,
  );
  t.after(async () => {
    try {
      if (isDescribed) await checkExchanges(server.url);
    } finally {
      await server.stop();
    }
  });
  const x07 = `${server.url}/x07`;
  return {
    url: server.url,
    x07,
    data,
    publish: (wanted, token = ADMIN_TOKEN) =>
      fetch(`${x07}/v1/packages/publish`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: Buffer.isBuffer(wanted) ? wanted : packX07(wanted),
      }),
  };
}
