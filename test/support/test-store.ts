/**
 * Where the servers of tests keep blobs and site: below their data directories, or, with `CAIRN_TEST_STORE=versitygw`, in a
 * bucket of a real S3 server, so that every test of clients can run once more over it; with `CAIRN_TEST_ARTIFACTS=pointers`, of
 * the other layout.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { storagePath } from '../../bin/storage.ts';
import type { TestContext } from 'node:test';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import { startNginx, startNginxAtBucket, type Nginx } from './nginx.ts';
import { openVersitygw, type Versitygw } from './versitygw.ts';

const isInBucket = process.env['CAIRN_TEST_STORE'] === 'versitygw';
const artifacts: ArtifactLayout = process.env['CAIRN_TEST_ARTIFACTS'] === 'pointers' ? 'pointers' : 'copies';
let opened: Promise<Versitygw> | undefined;

/** One for all tests of this process, whichever asks first: hooks of the runner would end it with that one. */
function store(): Promise<Versitygw> {
  return (opened ??= (async () => {
    const running = await openVersitygw({ after: (close) => void process.once('exit', close as () => void) });
    running.unref();
    // With copies an edge has no business among the blobs.
    await running.readByEdge(...(artifacts === 'pointers' ? ['*'] : ['*/site/*']));
    return running;
  })());
}

/** The suite asks which files have used a bucket: one whose servers start some other way would pass, and show nothing. */
function tell(): void {
  const file = process.env['CAIRN_TEST_STORE_SEEN'];
  if (file !== undefined) appendFileSync(file, `${process.argv[1] ?? ''}\n`);
}

/** What a server's first start over this directory is told. It remembers that by itself. */
export async function storeEnvironment(data: string): Promise<Record<string, string>> {
  if (!isInBucket || existsSync(join(data, 'log.git')) || existsSync(storagePath(data))) return {};
  const { bucket, endpoint } = await store();
  tell();
  return {
    CAIRN_BUCKET: `s3://${bucket}/${prefixOf(data)}`,
    CAIRN_S3_ENDPOINT: endpoint,
    CAIRN_S3_PATH_STYLE: 'true',
    CAIRN_SITE_ARTIFACTS: artifacts,
  };
}

/** What such a server has published, by nginx with nothing behind it but the directory or the bucket. */
export async function startStaticHost(
  t: Pick<TestContext, 'after'>,
  data: string,
  port: number,
): Promise<Nginx> {
  if (!isInBucket) return startNginx(t, await siteFolder(data), port);
  const { endpoint, bucket } = await store();
  const below = `/${bucket}/${prefixOf(data)}`;
  const [site, blobs] = [`${below}/site`, `${below}/blobs`];
  return startNginxAtBucket(t, { port, store: endpoint, site, blobs, artifacts });
}

/** Why no program can read the artifacts of a site as files; undefined when it can. */
export const noArtifactFiles: string | undefined =
  isInBucket && artifacts === 'pointers' ? 'pointers are not what they point to' : undefined;

/** The files of the site of such a server, for a static host: versitygw keeps each object as a file. */
export async function siteFolder(data: string): Promise<string> {
  if (!isInBucket) return join(data, 'site');
  const { folder, bucket } = await store();
  return join(folder, bucket, prefixOf(data), 'site');
}

function prefixOf(data: string): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 12);
}
