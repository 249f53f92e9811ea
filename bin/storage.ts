/**
 * Where blobs and site of a registry are: below its data directory, or in buckets. It is recorded there, in `storage.json`, at
 * first start, so that no command ever looks for them in the wrong place.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RegistryError } from '../core/errors.ts';
import { isErrno, nextNumber, replaceFile } from '../stores/durable-files.ts';
import type { BucketAddress, Credentials } from '../stores/bucket-client.ts';
import type { ArtifactLayout } from '../stores/bucket-pointers.ts';
import { aliasesIn } from './aliases.ts';

export interface Storage {
  /** `s3://bucket/prefix`; below the data directory when undefined. */
  readonly blobs?: string | undefined;
  readonly site?: string | undefined;
  /** What a site in a bucket has at the paths of artifacts; copies when undefined. */
  readonly artifacts?: ArtifactLayout | undefined;
  /** Origin of the store that the buckets are of; that of the region at AWS when undefined. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly pathStyle?: boolean | undefined;
  /** Origin by which clients reach the store, where it is another one. */
  readonly publicEndpoint?: string | undefined;
  /** Never recorded; those that every program of the SDK finds when undefined. */
  readonly credentials?: Credentials | undefined;
}

/** What is recorded, and nothing else: neither credentials nor what may differ from start to start. */
const fields = [
  'blobs',
  'site',
  'artifacts',
  'endpoint',
  'region',
  'pathStyle',
] as const satisfies readonly (keyof Storage)[];

export function storagePath(dataDirectory: string): string {
  return join(dataDirectory, 'storage.json');
}

/** What was recorded: nothing where blobs and site are below the data directory. @throws RegistryError `storage-failed` */
export function readStorage(dataDirectory: string): Storage {
  const path = storagePath(dataDirectory);
  try {
    const storage = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    return Object.fromEntries(fields.flatMap((field) => (field in storage ? [[field, storage[field]]] : [])));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {};
    throw new RegistryError('storage-failed', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Durable when it returns: stopping before that leaves what was recorded before. */
export async function recordStorage(dataDirectory: string, storage: Storage): Promise<void> {
  const said = Object.fromEntries(
    fields.flatMap((field) => (storage[field] === undefined ? [] : [[field, storage[field]]])),
  );
  const path = storagePath(dataDirectory);
  await replaceFile(
    path,
    Buffer.from(`${JSON.stringify(said, null, 2)}\n`),
    `${path}.${process.pid}.${nextNumber()}`,
  );
}

/**
 * What a server goes by: the recorded storage, with whatever may differ from start to start. @throws RegistryError `conflict`
 * when something else was said than was recorded
 */
export function agreedStorage(recorded: Storage, said: Storage): Storage {
  for (const field of ['blobs', 'site'] as const)
    if (said[field] !== undefined && said[field] !== recorded[field])
      throw new RegistryError(
        'conflict',
        `this registry has its ${field} ${placeInWords(recorded[field])}, not in ${said[field]}. ` +
          `Leave CAIRN_${field.toUpperCase()} and CAIRN_BUCKET out, or move: cairn storage move --${field} ${said[field]}`,
      );
  if (said.artifacts !== undefined && said.artifacts !== layoutOf(recorded))
    throw new RegistryError(
      'conflict',
      `the site of this registry has ${layoutOf(recorded)} of its artifacts, not ${said.artifacts}. ` +
        `Leave it out, or make the site anew: cairn storage move --artifacts ${said.artifacts}`,
    );
  return withConnection(recorded, said);
}

export function layoutOf({ artifacts = 'copies' }: Storage): ArtifactLayout {
  return artifacts;
}

/** How the store is reached may be said anew at every start. */
export function withConnection(recorded: Storage, said: Storage): Storage {
  const { blobs: _, site: __, artifacts: ___, ...connection } = said;
  const isSaid = Object.entries(connection).filter(([, value]) => value !== undefined);
  return { ...recorded, ...Object.fromEntries(isSaid) };
}

function placeInWords(place: string | undefined): string {
  return place === undefined ? 'below its data directory' : `in ${place}`;
}

export function isBucket(place: string): boolean {
  return place.startsWith('s3://');
}

/** @throws RegistryError `bad-request` unless it is `s3://bucket/prefix` */
export function addressOf(
  place: string,
  { endpoint, region, pathStyle, credentials }: Storage,
): BucketAddress {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(place) ?? [];
  const parts = prefix.replace(/\/$/, '').split('/');
  const isPrefix =
    prefix === '' || parts.every((part) => /^[A-Za-z0-9!_.*'()-]+$/.test(part) && !/^\.\.?$/.test(part));
  if (bucket === undefined || !isPrefix)
    throw new RegistryError(
      'bad-request',
      `${place} is no place in a bucket: use s3://BUCKET or s3://BUCKET/PREFIX, where parts of a prefix are letters, digits and !_.*'()-, and none is . or ..`,
    );
  const address = { bucket, prefix: prefix.replace(/\/$/, ''), endpoint, region, pathStyle };
  return credentials ? { ...address, credentials } : address;
}

/**
 * What this process's own environment says, in our words or those of another server, for commands that read no other options.
 * @throws RegistryError `bad-request`
 */
export function storageIn(environment: NodeJS.ProcessEnv): Storage {
  const aliases = aliasesIn(environment);
  return parseStorage((name) => environment[name]?.trim() || aliases.said(name));
}

/** How the environment says it. @throws RegistryError `bad-request` */
export function parseStorage(env: (name: string) => string | undefined): Storage {
  const whole = env('CAIRN_BUCKET');
  const below = (part: string): string | undefined => whole && `${whole.replace(/\/$/, '')}/${part}`;
  const storage: Storage = {
    blobs: env('CAIRN_BLOBS') ?? below('blobs'),
    site: env('CAIRN_SITE') ?? below('site'),
    artifacts: parseLayout('CAIRN_SITE_ARTIFACTS', env('CAIRN_SITE_ARTIFACTS')),
    endpoint: parseEndpoint('CAIRN_S3_ENDPOINT', env('CAIRN_S3_ENDPOINT')),
    publicEndpoint: parseEndpoint('CAIRN_S3_PUBLIC_ENDPOINT', env('CAIRN_S3_PUBLIC_ENDPOINT')),
    region: env('CAIRN_S3_REGION'),
    pathStyle: parseSwitch('CAIRN_S3_PATH_STYLE', env('CAIRN_S3_PATH_STYLE')),
    credentials: parseCredentials(env('CAIRN_S3_ACCESS_KEY_ID'), env('CAIRN_S3_SECRET_ACCESS_KEY')),
  };
  refuseOverlap(storage);
  if (storage.blobs !== undefined && storage.site === undefined)
    throw new RegistryError(
      'bad-request',
      'CAIRN_BLOBS without CAIRN_SITE: a site in a directory is made of links to the blobs, and needs them there. Say CAIRN_SITE=s3://BUCKET/PREFIX as well, or CAIRN_BUCKET for both',
    );
  return storage;
}

/** A pointer leads to an object of the same store. @throws RegistryError `bad-request` */
export function refusePointersToFiles(storage: Storage): void {
  if (layoutOf(storage) === 'pointers' && (storage.blobs === undefined || storage.site === undefined))
    throw new RegistryError(
      'bad-request',
      'artifacts can be pointers only where blobs and site are both in a bucket: keep CAIRN_SITE_ARTIFACTS=copies, or move them there, with cairn storage move --blobs s3://BUCKET/PREFIX --site s3://BUCKET/PREFIX',
    );
}

/** @throws RegistryError `bad-request` */
export function parseLayout(name: string, text: string | undefined): ArtifactLayout | undefined {
  if (text === undefined || text === 'copies' || text === 'pointers') return text;
  throw new RegistryError('bad-request', `${name} ${text}: use copies or pointers`);
}

/** @throws RegistryError `bad-request` */
export function refuseOverlap(storage: Storage): void {
  const [blobs, site] = [storage.blobs, storage.site].map((place) => place && addressOf(place, storage));
  if (blobs && site && blobs.bucket === site.bucket && overlap(blobs.prefix, site.prefix))
    throw new RegistryError(
      'bad-request',
      `blobs (${storage.blobs}) and site (${storage.site}) overlap: the site is public, and removes what is not its own`,
    );
}

function overlap(a: string, b: string): boolean {
  return a === '' || b === '' || `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}

function parseEndpoint(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.username)
    return url.origin;
  throw new RegistryError(
    'bad-request',
    `${name} must be an origin such as https://s3.example, without a path`,
  );
}

/** What they are stands in no message. */
function parseCredentials(
  accessKeyId: string | undefined,
  secretAccessKey: string | undefined,
): Credentials | undefined {
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey };
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  throw new RegistryError(
    'bad-request',
    'CAIRN_S3_ACCESS_KEY_ID and CAIRN_S3_SECRET_ACCESS_KEY belong together: say both, or none to use those of the AWS SDK',
  );
}

function parseSwitch(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw new RegistryError('bad-request', `${name}=${text}: use true or false`);
}
