/** Another npm registry on loopback, that answers as a test says and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakeUpstream {
  readonly url: string;
  /** By path, as it is sent. Others are answered with 404. */
  readonly answers: Map<string, Answering>;
  readonly asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** Connections that are open. */
  connections(): Promise<number>;
}

export async function openFakeUpstream(t: Pick<TestContext, 'after'>): Promise<FakeUpstream> {
  const answers = new Map<string, Answering>();
  const asked: { path: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push({ path, headers: request.headers });
    const answering = answers.get(path);
    if (answering) answering(request, response);
    else response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not_found"}');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    asked,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
  };
}

export function says(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Answering {
  return (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

/** A packument as registries have them; `tarball` is where its archives are said to be. */
export function packumentText(
  name: string,
  versions: readonly string[],
  tarball: (version: string) => string,
): string {
  return JSON.stringify({
    _id: name,
    _rev: '7-abc',
    name,
    'dist-tags': { latest: versions.at(-1) },
    versions: Object.fromEntries(
      versions.map((version) => [version, versionObject(name, version, tarball(version))]),
    ),
    time: { created: '2020-01-01T00:00:00.000Z', modified: '2020-01-02T00:00:00.000Z' },
    readme: 'a "quoted" \\ readme with "tarball": in it',
  });
}

export function versionObject(name: string, version: string, tarball: string): Record<string, unknown> {
  return {
    name,
    version,
    dist: {
      signatures: [{ keyid: 'SHA256:theirs', sig: 'MEUCIQ==' }],
      shasum: '0'.repeat(40),
      tarball,
      integrity: `sha512-${'A'.repeat(86)}==`,
      attestations: { url: 'https://elsewhere.example/-/npm/v1/attestations/x', provenance: { a: [1, '}'] } },
    },
    dependencies: { tarball: '^1.0.0', dist: '^2.0.0' },
  };
}
