/** Packages of npm made for tests, and published as npm does: one document with the tarball in it. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { bearer } from './http.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Further fields of `package.json`. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Beside `package.json`. */
  readonly files?: Readonly<Record<string, string>>;
}

export async function packNpm({ name, version, manifest = {}, files = {} }: NpmPackage): Promise<Buffer> {
  const archive = tar.pack();
  const all = { 'package.json': JSON.stringify({ name, version, ...manifest }), ...files };
  for (const [path, text] of Object.entries(all))
    archive.entry({ name: `package/${path}`, mtime: new Date(499_162_500_000) }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

export interface PublishTo {
  /** Of the mount, without a final slash. */
  readonly registry: string;
  readonly token: string;
  readonly tag?: string;
}

/** @throws Error with the registry's words when it refuses. */
export async function publishNpm(wanted: NpmPackage, to: PublishTo): Promise<void> {
  const { name, version, manifest } = wanted;
  await publishTarball({ name, version, ...manifest }, await packNpm(wanted), to);
}

export async function publishTarball(
  manifest: Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string },
  tarball: Buffer,
  { registry, token, tag = 'latest' }: PublishTo,
): Promise<void> {
  const { name, version } = manifest;
  const dist = {
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    tarball: `${registry}/${name}/-/${name}-${version}.tgz`,
  };
  const document = {
    _id: name,
    name,
    'dist-tags': { [tag]: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    access: 'public',
    _attachments: {
      [`${name}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: tarball.byteLength,
      },
    },
  };
  const answer = await fetch(`${registry}/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { ...bearer(token), 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${name}@${version}: ${answer.status} ${text}`);
}
