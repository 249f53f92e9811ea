/** Small npm packages, and the documents that publish them. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { ADMIN_TOKEN } from './server-process.ts';

export interface NpmRelease {
  readonly name: string;
  readonly version: string;
  readonly tarball: Buffer;
  /** `sha512-` and base64. */
  readonly integrity: string;
}

export async function anNpmRelease(name: string, version: string): Promise<NpmRelease> {
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify({ name, version }));
  archive.entry({ name: 'package/index.js' }, `module.exports = ${JSON.stringify(version)};\n`);
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  const tarball = gzipSync(Buffer.concat(pieces));
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  return { name, version, tarball, integrity };
}

/** As npm sends it. @param attachments further ones, by the end of their keys. */
export function documentOf(
  { name, version, tarball, integrity }: NpmRelease,
  attachments: Readonly<Record<string, unknown>> = {},
): object {
  const further = Object.entries(attachments).map(([end, value]) => [`${name}-${version}${end}`, value]);
  return {
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { name, version, _id: `${name}@${version}`, dist: { integrity } } },
    access: 'public',
    _attachments: {
      [`${name}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: tarball.byteLength,
      },
      ...Object.fromEntries(further),
    },
  };
}

/** @param npm URL of the mount. */
export function putDocument(npm: string, name: string, document: object | string): Promise<Response> {
  return fetch(`${npm}/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: typeof document === 'string' ? document : JSON.stringify(document),
  });
}
