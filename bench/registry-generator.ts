/** Synthetic registries: seeded, so that equal arguments give equal logs; big, so that only batches are affordable. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { digestOf, type Digest } from '../core/digest.ts';
import { EVENT_FORMAT, registryLines, type RegistryEvent } from '../core/event.ts';
import type { Command } from '../core/decide.ts';
import { BlobDirectory } from '../stores/blob-directory.ts';
import { openLogWriter } from '../stores/git-log.ts';

export interface Shape {
  readonly packages: number;
  readonly versions: number;
  readonly seed?: number;
}

/** Blobs are shared, as few as the 65,000 links of ext4 allow. */
const VERSIONS_PER_BLOB = 16_000;
const BLOB_BYTES = 3_072;
/** 64 segments a commit. */
const BATCH_EVENTS = 16_384;
/** The most popular packages of real registries have some thousand versions; an uncapped Zipf gives one a tenth of all. */
const MAX_VERSIONS = 1_000;
const FIRST_DAY = Date.parse('2024-01-01T00:00:00Z');
const OWNERS = 500;

/** Makes the log and the blobs of a registry in a data directory; the site is for `regen` to make. */
export async function generateRegistry(dataDirectory: string, shape: Shape): Promise<void> {
  const { packages, versions, seed = 1 } = shape;
  const paths = layout(dataDirectory);
  const blobs = await writeBlobs(new BlobDirectory(paths.blobs), Math.ceil(versions / VERSIONS_PER_BLOB));
  const log = await openLogWriter({ repository: paths.log, lines: registryLines });
  try {
    let batch: RegistryEvent[] = [];
    for (const event of eventsOf({ packages, versions, seed, blobs })) {
      batch.push(event);
      if (batch.length < BATCH_EVENTS) continue;
      await log.append(batch);
      batch = [];
    }
    if (batch.length > 0) await log.append(batch);
  } finally {
    await log.close();
  }
}

async function writeBlobs(store: BlobDirectory, count: number): Promise<Digest[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const bytes = Buffer.alloc(BLOB_BYTES, `archive ${i} `);
      const digest = digestOf(bytes);
      const path = store.pathOf(digest);
      await mkdir(dirname(path), { recursive: true });
      if (!existsSync(path)) await writeFile(path, bytes);
      return digest;
    }),
  );
}

interface Making extends Required<Shape> {
  readonly blobs: readonly Digest[];
}

function* eventsOf({ packages, versions, seed, blobs }: Making): Generator<RegistryEvent> {
  const random = randomFrom(seed);
  const last = new Array<number | undefined>(packages).fill(undefined);
  const published = new Uint32Array(packages);
  let seq = 0;
  let at = FIRST_DAY;
  const place = (): Pick<RegistryEvent, 'v' | 'seq' | 'id' | 'at'> => {
    at += Math.floor(random() * 20_000);
    return { v: EVENT_FORMAT, seq: seq++, id: hexFrom(random, 32), at: new Date(at).toISOString() };
  };
  yield {
    ...place(),
    by: 'operator',
    kind: 'genesis',
    registry: hexFrom(random, 32),
    settings: { publicUrl: 'https://registry.example', mounts: { x07: '/x07' } },
  };
  for (const index of shuffled(repeatedByRank(packages, versions), random)) {
    const owner = `user-${index % OWNERS}`;
    const ofPackage = { by: owner, ecosystem: 'x07', name: packageName(index) } as const;
    if (last[index] === undefined) {
      last[index] = seq;
      yield { ...place(), ...ofPackage, kind: 'claimed', owner };
    }
    const count = published[index] ?? 0;
    published[index] = count + 1;
    const prev = last[index];
    last[index] = seq;
    const digest = blobs[seq % blobs.length];
    if (digest === undefined) throw new Error('a registry with versions has blobs');
    yield {
      ...place(),
      ...ofPackage,
      kind: 'published',
      prev,
      ...releaseFacts(index, versionAt(count), digest),
    };
  }
}

/** Each package as often as it has versions: rank r gets c/r, with c chosen so that the sum is right. */
function repeatedByRank(packages: number, versions: number): Uint32Array {
  const countAt = (c: number, rank: number): number =>
    Math.min(MAX_VERSIONS, Math.max(1, Math.round(c / rank)));
  const sum = (c: number): number => {
    let total = 0;
    for (let rank = 1; rank <= packages; rank += 1) total += countAt(c, rank);
    return total;
  };
  let [low, high] = [0, MAX_VERSIONS * packages];
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (sum(middle) < versions) low = middle;
    else high = middle;
  }
  const result = new Uint32Array(sum(high));
  for (let rank = 1, at = 0; rank <= packages; rank += 1) {
    const count = countAt(high, rank);
    result.fill(rank - 1, at, at + count);
    at += count;
  }
  return result;
}

function shuffled(items: Uint32Array, random: () => number): Uint32Array {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] ?? 0, items[i] ?? 0];
  }
  return items;
}

/** Mulberry32: small, fast, and the same everywhere. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function hexFrom(random: () => number, digits: number): string {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  return text.slice(0, digits);
}

const words = ['json', 'http', 'cli', 'db', 'text', 'net', 'math', 'time', 'auth', 'image', 'queue', 'graph'];

/** The name of a package by its rank, 0 being the one with most versions. */
export function packageName(index: number): string {
  // The number comes first and is spread: names of real registries fill the shards of an index evenly.
  const spread = (Math.imul(index, 2_654_435_761) >>> 0).toString(36);
  return `p${spread}-${words[index % words.length]}-${index.toString(36)}`;
}

function versionAt(count: number): string {
  return `${Math.floor(count / 100)}.${Math.floor(count / 10) % 10}.${count % 10}`;
}

type ReleaseFacts = Pick<Extract<RegistryEvent, { kind: 'published' }>, 'version' | 'artifacts' | 'meta'>;

/** What a real manifest of a small library says: a line of the log comes to about 1 KB. */
function releaseFacts(index: number, version: string, digest: Digest): ReleaseFacts {
  const name = packageName(index);
  const id = `ext.${name.replaceAll('-', '_')}`;
  const modules = [id, `${id}.core`, `${id}.tests`];
  const description = `${words[index % words.length]} helpers with pinned, deterministic behaviour (v1).`;
  const manifest = {
    schema_version: 'x07.package@0.1.0',
    name,
    description,
    license: 'MIT OR Apache-2.0',
    docs: `${description}\n\nModules:\n- ${modules.join('\n- ')}\n\nUsage:\n- x07 pkg add ${name}@${version}\n`,
    version,
    module_root: 'modules',
    modules,
    meta: {
      x07c_compat: '>=0.2.0 <0.3.0',
      determinism_tier: 'pure',
      worlds_allowed: ['solve-pure', 'run-os'],
      requires_packages: [`${packageName(index >> 1)}@0.0.0`],
      import_mode: 'handwritten',
    },
  };
  return {
    version,
    artifacts: [{ role: 'archive', digest, size: BLOB_BYTES, mediaType: 'application/octet-stream' }],
    meta: { manifest: JSON.stringify(manifest) },
  };
}

/** What a client asks for when it publishes such a version; `name` need not exist yet. */
export function publishCommand(index: number, version: string, digest: Digest): Command {
  return {
    kind: 'publish',
    ecosystem: 'x07',
    name: packageName(index),
    ...releaseFacts(index, version, digest),
  };
}

/** A blob that every registry of some size has. */
export const sharedBlob = digestOf(Buffer.alloc(BLOB_BYTES, 'archive 0 '));

/** Bytes of all lines of a registry's log. */
export function copyPath(dataDirectory: string): string {
  return join(layout(dataDirectory).log, 'cairn-copy.ndjson');
}
