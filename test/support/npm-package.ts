/** Composes npm tarballs and publish documents as clients do (contract of npm, section 4), and wrong ones. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { packTar, type Member } from './x07-package.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Merged into package.json; `undefined` drops a field. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Replaces the text of package.json. */
  readonly manifestText?: string;
  /** Files beside package.json and index.js, below `package/`. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Members as they are, after all others. */
  readonly extra?: readonly Member[];
}

export function packageJson({ name, version, manifest }: NpmPackage): Record<string, unknown> {
  return { name, version, description: `About ${name}.`, main: 'index.js', license: 'MIT', ...manifest };
}

export function packNpm(wanted: NpmPackage): Buffer {
  const text = wanted.manifestText ?? JSON.stringify(packageJson(wanted), null, 2);
  const files = {
    'package.json': text,
    'index.js': `module.exports = ${JSON.stringify(wanted.version)};\n`,
    ...wanted.files,
  };
  const members = Object.entries(files).map(([path, content]) => ({ path: `package/${path}`, content }));
  return gzipSync(packTar([...members, ...(wanted.extra ?? [])]));
}

export interface DocumentOptions {
  readonly tags?: Readonly<Record<string, string>>;
  readonly access?: 'public' | 'restricted' | null;
  /** Merged into the version object. */
  readonly sent?: Readonly<Record<string, unknown>>;
  /** Merged into the document. */
  readonly document?: Readonly<Record<string, unknown>>;
  /** In place of the tarball that the package packs to. */
  readonly tarball?: Buffer;
}

/** What npm 11 sends. */
export function publishDocument(wanted: NpmPackage, options: DocumentOptions = {}): Record<string, unknown> {
  const { name, version } = wanted;
  const tarball = options.tarball ?? packNpm(wanted);
  const manifest = packageJson(wanted);
  return {
    _id: name,
    name,
    description: manifest['description'],
    access: options.access === undefined ? 'public' : options.access,
    'dist-tags': options.tags ?? { latest: version },
    versions: {
      [version]: {
        ...manifest,
        _id: `${name}@${version}`,
        _nodeVersion: '24.21.0',
        _npmVersion: '11.21.2',
        dist: {
          integrity: integrityOf(tarball),
          shasum: createHash('sha1').update(tarball).digest('hex'),
          // Wrong on purpose, as clients send it.
          tarball: `http://registry.invalid/${name}/-/${name}-${version}.tgz`,
        },
        ...options.sent,
      },
    },
    _attachments: {
      [`${name}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: tarball.length,
      },
    },
    ...options.document,
  };
}

export function integrityOf(tarball: Buffer): string {
  return `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
}
