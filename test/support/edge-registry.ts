/** A registry whose blobs and site are in a bucket of versitygw, and nginx in front of that bucket. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { Bucket } from '../../stores/bucket.ts';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import { freePort, startNginxAtBucket } from './nginx.ts';
import { bearer } from './http.ts';
import { publishDocument } from './npm-package.ts';
import { basic, ociApi, type Credentials, type PushedImage } from './oci-api.ts';
import { publish } from './npm-registries.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from './server-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { openVersitygw, type Versitygw } from './versitygw.ts';
import { packX07 } from './x07-package.ts';
import { zigApi } from './zig-api.ts';
import { packAs } from './zig-archive.ts';
import { inFolder, libraryFiles } from './zig-library.ts';

export interface EdgeRegistry {
  readonly data: string;
  readonly server: ServerProcess;
  readonly gateway: Versitygw;
  /** Of nginx. */
  readonly edge: string;
  /** All that the store was asked for without a signature: operations and keys as they were sent. */
  askedByEdge(): string[];
  /** What readers see, and what they do not. */
  readonly site: Bucket;
  readonly blobs: Bucket;
  /** Public, and below `acme/app`; another is private, below `acme/secret`. */
  readonly image: PushedImage;
  readonly secret: PushedImage;
}

/** Something of every kind is published there, and something private. */
export async function openEdgeRegistry(
  t: Pick<TestContext, 'after'>,
  artifacts: ArtifactLayout,
): Promise<EdgeRegistry> {
  const accessLog = join(await temporaryDirectory(t), 'access.log');
  const gateway = await openVersitygw(t, { accessLog });
  await gateway.readByEdge(...(artifacts === 'pointers' ? ['a/site/*', 'a/blobs/*'] : ['a/site/*']));
  const [data, port] = [await temporaryDirectory(t), await freePort()];
  const server = await startServer({
    data,
    flags: ['--public-url', `http://127.0.0.1:${port}`],
    env: {
      CAIRN_BUCKET: `s3://${gateway.bucket}/a`,
      CAIRN_SITE_ARTIFACTS: artifacts,
      CAIRN_S3_ENDPOINT: gateway.endpoint,
      CAIRN_S3_PATH_STYLE: 'true',
      CAIRN_LIMITS: 'run=off,ori=off',
    },
  });
  t.after(() => server.kill());
  const images = await publishAll({ url: server.url, data });
  const below = `/${gateway.bucket}/a`;
  const { url: edge } = await startNginxAtBucket(t, {
    port,
    store: gateway.endpoint,
    site: `${below}/site`,
    blobs: `${below}/blobs`,
    artifacts,
  });
  const [site, blobs] = ['a/site', 'a/blobs'].map((prefix) => new Bucket(gateway.address(prefix)));
  if (!site || !blobs) throw new RangeError('there are two of them');
  t.after(() => [site, blobs].map((bucket) => bucket.close()));
  const askedByEdge = (): string[] =>
    [...readFileSync(accessLog, 'utf8').matchAll(/ 127\.0\.0\.1 - \S+ s3_(\S+) \S+ \/[^/]+\/a\/(\S+) /g)].map(
      ([, operation, key]) => `${operation} ${key}`,
    );
  return { data, server, gateway, edge, site, blobs, askedByEdge, ...images };
}

async function publishAll(to: {
  readonly url: string;
  readonly data: string;
}): Promise<Pick<EdgeRegistry, 'image' | 'secret'>> {
  const npm = { registry: `${to.url}/npm`, token: ADMIN_TOKEN };
  await publish({ name: 'lib', version: '1.0.0' }, npm);
  await publish({ name: '@acme/lib', version: '1.0.0-rc.1' }, npm);
  const secret = await fetch(`${npm.registry}/@acme%2fsecret`, {
    method: 'PUT',
    headers: { ...bearer(ADMIN_TOKEN), 'content-type': 'application/json' },
    body: JSON.stringify(
      publishDocument({ name: '@acme/secret', version: '1.0.0' }, { access: 'restricted' }),
    ),
  });
  if (!secret.ok) throw new Error(await secret.text());
  const answer = await fetch(`${to.url}/x07/v1/packages/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: packX07({ name: 'acme-hello', version: '1.0.0' }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const library = libraryFiles({ name: 'my_lib', version: '1.0.0-a+b' });
  await zigApi(to).publish({ tarball: packAs('tar.gz', inFolder(library, 'x')) }, ADMIN_TOKEN);
  const acme: Credentials = ['acme', 'correct horse battery'];
  await remoteControl(join(to.data, 'control.sock')).createAccount({ handle: acme[0], password: acme[1] });
  const oci = ociApi(to);
  const image = await oci.pushImage('acme/app', '1', acme, 'for everybody');
  const hidden = await oci.pushImage('acme/secret', '1', acme, 'for nobody else');
  const made = await oci.ask({
    method: 'PUT',
    path: 'api/v1/acme/app/visibility',
    json: { visibility: 'public' },
    headers: basic(acme),
  });
  if (made.status !== 200) throw new Error(made.text);
  return { image, secret: hidden };
}
