/** An image too large to be packed while somebody waits: a layout of OCI whose layers cannot be made smaller. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../core/digest.ts';
import { anImage, IMAGE, type Descriptor } from '../test/support/oci-api.ts';

export const MEBIBYTE = 1024 ** 2;

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
/** Clients look at what is in a layer, and not at what it is called: they would pack what does not begin so. */
const gzipHeader = Buffer.from('1f8b08000000000000ff', 'hex');
/** The tag of the one image in a layout. */
export const TAG = 'large';

export interface Layer extends Descriptor {
  readonly path: string;
}

export interface LargeImage {
  /** What clients copy from, by the name `oci:DIRECTORY:large`. */
  readonly directory: string;
  readonly layers: readonly Layer[];
  readonly config: Buffer;
  readonly manifest: Buffer;
}

export async function makeLargeImage(directory: string, layers: number, bytes: number): Promise<LargeImage> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  const files = Array.from({ length: layers }, (_, i) => join(directory, `layer-${i}`));
  for (const path of files) await writeNoise(path, bytes);
  return assemble(directory, files);
}

/** The same with other layers, which no server has seen. The old one is gone. */
export async function freshen({ directory, layers }: LargeImage): Promise<LargeImage> {
  const files = layers.map((_, i) => join(directory, `layer-${i}`));
  for (const [i, { path }] of layers.entries()) await rename(path, files[i] ?? '');
  await rm(join(directory, 'blobs'), { recursive: true });
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  for (const path of files) {
    const file = await open(path, 'r+');
    await file.write(randomBytes(16), 0, 16, gzipHeader.length);
    await file.close();
  }
  return assemble(directory, files);
}

async function assemble(directory: string, files: readonly string[]): Promise<LargeImage> {
  const layers = await Promise.all(files.map((path) => nameByDigest(directory, path)));
  const diffIds = layers.map(({ digest }) => digest);
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const ofConfig = { mediaType: CONFIG, digest: digestOf(config), size: config.length };
  const described = layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
  const manifest = Buffer.from(JSON.stringify(anImage(ofConfig, described)));
  const top = { mediaType: IMAGE, digest: digestOf(manifest), size: manifest.length };
  for (const bytes of [config, manifest]) await writeFile(blobPath(directory, digestOf(bytes)), bytes);
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { 'org.opencontainers.image.ref.name': TAG };
  await writeFile(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...top, annotations }] }),
  );
  return { directory, layers, config, manifest };
}

async function nameByDigest(directory: string, file: string): Promise<Layer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of createReadStream(file, { highWaterMark: MEBIBYTE })) {
    hash.update(piece as Buffer);
    size += (piece as Buffer).length;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  const path = blobPath(directory, digest);
  await rename(file, path);
  return { mediaType: LAYER, digest, size, path };
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs/sha256', digest.slice('sha256:'.length));
}

/** What no compression makes smaller. */
export async function writeNoise(path: string, bytes: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(MEBIBYTE);
  const file = await open(path, 'w');
  try {
    await file.write(gzipHeader);
    for (let left = bytes - gzipHeader.length; left > 0; left -= zeros.length)
      await file.write(cipher.update(zeros.subarray(0, Math.min(left, zeros.length))));
  } finally {
    await file.close();
  }
}
