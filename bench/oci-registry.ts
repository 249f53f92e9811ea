/** Repositories of tens of thousands of manifests, appended to the log of a registry that a server has begun. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ADMINISTRATOR } from '../api/auth.ts';
import { openRegistry, type Registry } from '../bin/open-registry.ts';
import { digestOf } from '../core/digest.ts';
import { EVENT_FORMAT, type RegistryEvent } from '../core/event.ts';
import { parseManifest } from '../ecosystems/oci/manifest.ts';
import { anImage, IMAGE, type Descriptor } from '../test/support/oci-api.ts';
import { randomFrom } from './registry-generator.ts';

/** What every manifest of a repository is: an image under a tag of its own, or a signature of an image that is elsewhere. */
export interface OciShape {
  readonly [repository: string]: { readonly of: 'images' | 'signatures'; readonly manifests: number };
}

export interface Made {
  readonly manifest: Buffer;
  /** What it names. */
  readonly blobs: readonly Buffer[];
}

const BATCH_EVENTS = 4_096;

export function described(
  bytes: Buffer,
  mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip',
): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

const base = Buffer.from('the layer that all images begin with');

/** An image that shares one of its layers with all others. */
export function smallImage(what: string): Made {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', of: what }));
  const layer = Buffer.from(`a layer of ${what}`);
  const manifest = anImage(described(config, 'application/vnd.oci.image.config.v1+json'), [
    described(base),
    described(layer),
  ]);
  return { manifest: Buffer.from(JSON.stringify(manifest)), blobs: [config, layer, base] };
}

const emptyConfig = Buffer.from('{}');

/** As cosign makes them, of a subject that need not be here. */
export function signatureOf(what: string): Made {
  const payload = Buffer.from(JSON.stringify({ critical: { image: what } }));
  const manifest = anImage(
    described(emptyConfig, 'application/vnd.oci.empty.v1+json'),
    [described(payload)],
    {
      artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
      subject: described(Buffer.from(`the image ${what}`), IMAGE),
      annotations: {
        'dev.cosignproject.cosign/signature': createHash('sha512').update(what).digest('base64'),
      },
    },
  );
  return { manifest: Buffer.from(JSON.stringify(manifest)), blobs: [payload, emptyConfig] };
}

export function tagOf(i: number): string {
  return `1.${Math.floor(i / 100)}.${i % 100}`;
}

/** Each repository is there already: whoever pushed to it first owns it. Nothing is synced, and the site is for `regen` to make. */
export async function appendManifests(dataDirectory: string, shape: OciShape): Promise<void> {
  const registry = await openRegistry({ dataDirectory });
  try {
    for (const [name, { of, manifests }] of Object.entries(shape)) {
      const batch: RegistryEvent[] = [];
      for (const event of eventsOf(registry, name, of, manifests)) {
        batch.push(event);
        if (batch.length >= BATCH_EVENTS) await registry.log.append(batch.splice(0));
      }
      if (batch.length > 0) await registry.log.append(batch);
      registry.state.catchUp();
    }
  } finally {
    await registry.close();
  }
}

function* eventsOf(
  registry: Registry,
  name: string,
  of: OciShape[string]['of'],
  manifests: number,
): Generator<RegistryEvent> {
  const { log, state } = registry;
  const random = randomFrom(log.length);
  const hex = (): string => Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  let at = Date.parse(log.read(log.length - 1).at);
  let seq = log.length;
  let prev = state.lastSeq({ ecosystem: 'oci', name, of: 'package' });
  const event = (facts: object): RegistryEvent => {
    const place = { v: EVENT_FORMAT, seq, id: hex(), at: new Date((at += 1)).toISOString() };
    const about = { by: ADMINISTRATOR, ecosystem: 'oci', name, ...(prev === undefined ? {} : { prev }) };
    prev = seq;
    seq += 1;
    return { ...place, ...about, ...facts } as RegistryEvent;
  };
  for (let i = 0; i < manifests; i += 1) {
    const { manifest, blobs } = of === 'images' ? smallImage(`${name} ${i}`) : signatureOf(`${name} ${i}`);
    for (const bytes of [manifest, ...blobs]) writeBlob(registry, bytes);
    const { mediaType, meta } = parseManifest(manifest, IMAGE);
    const artifact = { role: 'manifest', digest: digestOf(manifest), size: manifest.length, mediaType };
    yield event({ kind: 'published', version: artifact.digest, artifacts: [artifact], meta });
    if (of === 'images') yield event({ kind: 'ref-set', ref: tagOf(i), target: artifact.digest });
  }
}

function writeBlob({ blobs }: Registry, bytes: Buffer): void {
  const path = blobs.shelf.pathOf(digestOf(bytes));
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}
