/**
 * The server that clients of containers are tried on: `cairn serve`; or, to try the tests themselves, Debian's own, by
 * `CAIRN_OCI_SERVER=docker-registry`. What that one cannot do is told here, and nowhere else.
 */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { ecosystems } from '../../ecosystems/index.ts';
import { startDockerRegistry } from './docker-registry.ts';
import { freePort } from './nginx.ts';
import type { Login } from './oci-clients.ts';
import { startServer } from './server-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { startStaticHost } from './test-store.ts';

type Ability = 'tag deletion' | 'referrers' | 'namespaces' | 'reading without a login';

export interface OciServer {
  readonly url: string;
  /** As clients write it before the name of a repository. */
  readonly host: string;
  /** Who may write below `acme/`; what is pushed there is for everyone to read. */
  readonly login: Login;
  can(ability: Ability): boolean;
  /** Ends it: what it wrote is served for reading by a web server alone. Its URL. */
  siteAlone(t: Pick<TestContext, 'after'>): Promise<string>;
}

const isReference = process.env['CAIRN_OCI_SERVER'] === 'docker-registry';

/** Why no server can be tried; undefined when one can. */
export const noOciServer: string | undefined =
  isReference || 'oci' in ecosystems ? undefined : 'this registry knows nothing of containers yet';

const login: Login = { username: 'acme', password: 'correct horse battery' };

export const ociServer = (
  t: Pick<TestContext, 'after'>,
  env: Readonly<Record<string, string>> = { CAIRN_OCI_VISIBILITY: 'public' },
): Promise<OciServer> => (isReference ? reference(t) : cairn(t, env));

async function cairn(
  t: Pick<TestContext, 'after'>,
  env: Readonly<Record<string, string>>,
): Promise<OciServer> {
  const data = await temporaryDirectory(t);
  const server = await startServer({ data, env: { CAIRN_ECOSYSTEMS: 'oci', ...env } });
  t.after(() => server.kill());
  await remoteControl(join(data, 'control.sock')).createAccount({
    handle: login.username,
    password: login.password,
  });
  return {
    url: server.url,
    host: new URL(server.url).host,
    login,
    can: () => true,
    async siteAlone(during) {
      await server.stop();
      return (await startStaticHost(during, data, await freePort())).url;
    },
  };
}

/** Of `login`, by bcrypt. */
const passwords = 'acme:$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.\n';

async function reference(t: Pick<TestContext, 'after'>): Promise<OciServer> {
  const storage = join(await temporaryDirectory(t), 'storage');
  const server = await startDockerRegistry(t, { storage, passwords });
  return {
    url: server.url,
    host: new URL(server.url).host,
    login,
    can: () => false,
    // Without passwords it is as good as a web server to whoever reads.
    async siteAlone(during) {
      await server.stop();
      return (await startDockerRegistry(during, { storage })).url;
    },
  };
}
