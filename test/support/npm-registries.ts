/** Registries for clients: `cairn serve` with npm at its mount, alone at the root, and a site with nothing behind it. */
import type { TestContext } from 'node:test';
import { freePort } from './nginx.ts';
import type { Registry } from './npm-project.ts';
import { bearer } from './http.ts';
import { escaped } from './npm-api.ts';
import { publishDocument, type NpmPackage } from './npm-package.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from './server-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { startStaticHost } from './test-store.ts';

export interface Tagged extends NpmPackage {
  readonly tag?: string;
}

export interface Served extends Registry {
  readonly data: string;
  readonly server: ServerProcess;
}

interface Wanted {
  /** Default `/npm`. */
  readonly mount?: string;
  readonly publicUrl?: string;
  /** Default npm alone. */
  readonly ecosystems?: readonly string[];
  readonly packages?: readonly Tagged[];
}

export async function serveRegistry(t: Pick<TestContext, 'after'>, wanted: Wanted = {}): Promise<Served> {
  const { mount = '/npm', publicUrl, ecosystems = ['npm'], packages = [] } = wanted;
  const data = await temporaryDirectory(t);
  const server = await startServer({
    data,
    flags: publicUrl === undefined ? [] : ['--public-url', publicUrl],
    env: { CAIRN_ECOSYSTEMS: ecosystems.join(','), CAIRN_MOUNTS: `npm=${mount}`, NPM_FALLBACK: 'false' },
  });
  t.after(() => server.kill());
  const registry = server.url + (mount === '/' ? '' : mount);
  for (const one of packages) await publish(one, { registry, token: ADMIN_TOKEN });
  return { registry, token: ADMIN_TOKEN, data, server };
}

/** A site that a registry has written, served by nginx alone: the registry has ended before the first client comes. */
export async function serveSiteAlone(
  t: Pick<TestContext, 'after'>,
  packages: readonly Tagged[],
  mount = '/npm',
): Promise<Registry> {
  const port = await freePort();
  const { data, server } = await serveRegistry(t, {
    publicUrl: `http://127.0.0.1:${port}`,
    packages,
    mount,
  });
  await server.stop();
  const { url } = await startStaticHost(t, data, port);
  return { registry: url + (mount === '/' ? '' : mount), token: ADMIN_TOKEN };
}

/** Without a client. @throws Error with the registry's words when it refuses. */
export async function publish(wanted: Tagged, to: Registry, tarball?: Buffer): Promise<void> {
  const { name, version, tag = 'latest' } = wanted;
  const answer = await fetch(`${to.registry}/${escaped(name)}`, {
    method: 'PUT',
    headers: { ...bearer(to.token), 'content-type': 'application/json' },
    body: JSON.stringify(
      publishDocument(wanted, { tags: { [tag]: version }, ...(tarball ? { tarball } : {}) }),
    ),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${name}@${version}: ${answer.status} ${text}`);
}
