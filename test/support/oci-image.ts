/** Images as layouts of OCI, made on the spot: real enough to be run, and the same bytes every time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { file, folder, link, packTar, type Packed } from './zig-archive.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
}

export interface Platform {
  readonly os: 'linux';
  readonly architecture: string;
  readonly variant?: string;
}

/** Bytes, and what others call them. */
export interface OciBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A manifest or an index, with everything below it. */
export interface OciContent {
  readonly top: OciBlob;
  readonly below: readonly OciBlob[];
}

const oci = 'application/vnd.oci.image';
export const manifestType = `${oci}.manifest.v1+json`;
/** Without a word on how it is packed. */
export const layerType = `${oci}.layer.v1.tar`;
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const dockerLayer = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
const indexType = `${oci}.index.v1+json`;

/** What clients say they take. */
export const manifestTypes: readonly string[] = [manifestType, indexType, dockerManifest, dockerList];

export const platforms: readonly Platform[] = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
];

/** What no compression makes smaller: the largest file of the image that can be run. */
export const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(5_000_000),
);

const busybox = spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim();

/** Why no image can be run that is made here; undefined when one can. */
export const noBusybox: string | undefined =
  busybox !== '' && spawnSync('ldd', [busybox]).status === 1
    ? undefined
    : 'there is no busybox here that needs no libraries';

/** Four layers; the last takes a file of the second away. It prints `hello from a registry`. */
export function runnableImage(packing: Packing = 'gzip'): OciContent {
  const tools = ['sh', 'cat', 'ls', 'sha256sum'].map((name) => link(`bin/${name}`, 'busybox'));
  return imageOf(
    [
      [folder('bin'), file('bin/busybox', readFileSync(busybox), 0o755), ...tools],
      [folder('etc'), file('etc/greeting', 'hello from a registry\n'), file('etc/secret', 'not for you\n')],
      [folder('srv'), file('srv/noise', noise)],
      [folder('etc'), file('etc/.wh.secret')],
    ],
    { command: ['cat', '/etc/greeting'], packing },
  );
}

/** One layer with one file that says what it is for. */
export function smallImage(says: string, image: Image = {}): OciContent {
  return imageOf([[folder('etc'), file('etc/says', `${says}\n`)]], image);
}

/** The same for every platform. */
export function platformIndex(says: string): OciContent {
  return indexOf(
    platforms.map((platform) => {
      const image = smallImage(`${says} on ${Object.values(platform).join('/')}`, { platform });
      const descriptor = { ...image.top.descriptor, platform };
      return { ...image, top: { ...image.top, descriptor } };
    }),
  );
}

/** Of layers; clients pack those that are not packed as they are told. */
type Packing = 'gzip' | 'none';

interface Image {
  readonly packing?: Packing;
  readonly command?: readonly string[];
  readonly platform?: Platform;
}

function imageOf(layers: readonly (readonly Packed[])[], image: Image): OciContent {
  const { command = [], packing = 'gzip', platform = { os: 'linux', architecture: 'amd64' } } = image;
  const tars = layers.map((entries) => packTar(entries));
  const blobs = tars.map((tar) =>
    packing === 'gzip' ? blobOf(`${layerType}+gzip`, gzipSync(tar)) : blobOf(layerType, tar),
  );
  const config = jsonOf(`${oci}.config.v1+json`, {
    created: '2026-01-01T00:00:00Z',
    ...platform,
    config: { Env: ['PATH=/bin'], Cmd: command },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    history: tars.map((_, i) => ({ created: '2026-01-01T00:00:00Z', created_by: `layer ${i}` })),
  });
  const manifest = jsonOf(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: config.descriptor,
    layers: blobs.map(({ descriptor }) => descriptor),
  });
  return { top: manifest, below: [config, ...blobs] };
}

function indexOf(contents: readonly OciContent[]): OciContent {
  const manifests = contents.map(({ top }) => top.descriptor);
  const top = jsonOf(indexType, { schemaVersion: 2, mediaType: indexType, manifests });
  return { top, below: contents.flatMap((content) => [content.top, ...content.below]) };
}

function jsonOf(mediaType: string, value: object): OciBlob {
  return blobOf(mediaType, Buffer.from(JSON.stringify(value)));
}

function blobOf(mediaType: string, bytes: Buffer): OciBlob {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A folder that clients copy from, each content under a tag. */
export function writeLayout(directory: string, contents: Readonly<Record<string, OciContent>>): void {
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  for (const { top, below } of Object.values(contents))
    for (const { descriptor, bytes } of [top, ...below])
      writeFileSync(blobPath(directory, descriptor.digest), bytes);
  const manifests = Object.entries(contents).map(([tag, { top }]) => ({
    ...top.descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** @throws AssertionError unless a client wrote there exactly this, byte for byte, and nothing else. */
export function assertLayout(directory: string, { top, below }: OciContent): void {
  const { manifests } = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as {
    manifests: readonly Descriptor[];
  };
  // Some list what is below as well.
  const found = manifests.find(({ digest }) => digest === top.descriptor.digest);
  assert.deepEqual([found?.mediaType, found?.size], [top.descriptor.mediaType, top.descriptor.size]);
  const wanted = new Map([top, ...below].map((blob) => [blob.descriptor.digest, blob.bytes]));
  const names = readdirSync(join(directory, 'blobs/sha256')).map((name) => `sha256:${name}`);
  assert.deepEqual(names.sort(), [...wanted.keys()].sort());
  for (const [digest, bytes] of wanted)
    assert.ok(readFileSync(blobPath(directory, digest)).equals(bytes), `${digest} has other bytes`);
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'));
}
