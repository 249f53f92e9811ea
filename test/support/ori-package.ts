/** Composes `.oripk` archives (contract of Ori, sections 3 and 4), and wrong ones. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { file, packTar, type Packed } from './zig-archive.ts';

export interface OriPackage {
  readonly name: string;
  /** 1.0.0 where nothing is said. */
  readonly version?: string;
  /** Lines of `[project]`. */
  readonly project?: string;
  /** What comes after it. */
  readonly rest?: string;
  /** Replaces the whole manifest. */
  readonly manifest?: string | Buffer;
  /** By `@scope/name:version`; no lock where there is none. */
  readonly lock?: Readonly<Record<string, string>>;
  /** Replaces the text of the lock. */
  readonly lockText?: string;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Changes what `CHECKSUM` says; `undefined` leaves the file out. */
  readonly checksum?: (text: string) => string | undefined;
  /** Entries after all others, which `CHECKSUM` says nothing of. */
  readonly extra?: readonly Packed[];
  /** Folder that everything lies in. */
  readonly top?: string;
  readonly level?: number;
}

export function oriManifest({ name, version = '1.0.0', project = '', rest = '' }: OriPackage): string {
  return `[project]
name = "${name}"
version = "${version}"
ori = "0.5.0"
description = "About ${name}."
${project}
${rest}`;
}

export function sha256Hex(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function checksumOf(bytes: Buffer): string {
  return `sha256:${sha256Hex(bytes)}`;
}

export function lockText(lock: Readonly<Record<string, string>>): string {
  const lines = Object.entries(lock).map(([key, checksum]) => `"${key}" = "${checksum}"\n`);
  return `[checksums]\n${lines.sort().join('')}`;
}

/** Files by path, `CHECKSUM` not among them. */
function filesOf(wanted: OriPackage): Record<string, string | Buffer> {
  const lock = wanted.lockText ?? (wanted.lock ? lockText(wanted.lock) : undefined);
  return {
    'oripk.toml': wanted.manifest ?? oriManifest(wanted),
    ...(lock === undefined ? {} : { 'oripk.lock': lock }),
    ...(wanted.files ?? { 'src/lib.ori': '@main () -> void = print(msg: "hi")\n' }),
  };
}

export function checksumText(files: Readonly<Record<string, string | Buffer>>): string {
  const lines = Object.entries(files).map(([path, content]) => ({
    path,
    line: `${sha256Hex(content)}  ${path}\n`,
  }));
  const sorted = lines.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return sorted.map(({ line }) => line).join('');
}

export function oriEntries(wanted: OriPackage): Packed[] {
  const files = filesOf(wanted);
  const { checksum = (text) => text, extra = [], top } = wanted;
  const text = checksum(checksumText(files));
  const entries = [...Object.entries(files), ...(text === undefined ? [] : [['CHECKSUM', text] as const])];
  const inTop = (path: string): string => (top === undefined ? path : `${top}/${path}`);
  return [...entries.map(([path, content]) => file(inTop(path), content)), ...extra];
}

export function packOri(wanted: OriPackage): Buffer {
  return gzipSync(packTar(oriEntries(wanted)), { level: wanted.level ?? 6 });
}
