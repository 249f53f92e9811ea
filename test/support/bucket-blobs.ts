/** Blobs in a bucket of some S3 server, and their shelf in a temporary directory. */
import { join } from 'node:path';
import { cpSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { blobFolders } from '../../stores/blob-folders.ts';
import { BucketBlobs } from '../../stores/bucket-blobs.ts';
import { Bucket, type BucketAddress, type BucketPatience } from '../../stores/bucket.ts';
import { UploadDirectory } from '../../stores/upload-directory.ts';
import { randomIds, systemClock } from '../../bin/open-registry.ts';
import { inPieces } from './blob-store-contract.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Tests cannot wait as long as it is right to. */
/** A machine that is busy with other tests is no fault. */
const patient: BucketPatience = { attempts: 2, idleMs: 10_000 };
/** For tests in which a store does not answer. */
export const impatient: BucketPatience = { attempts: 2, idleMs: 300 };

export interface BucketWorld {
  readonly directory: string;
  readonly ledger: string;
  readonly bucket: Bucket;
  readonly blobs: BucketBlobs;
  readonly uploads: UploadDirectory;
  /** As the next process finds everything. */
  again(): Promise<BucketWorld>;
  /** The same after a kill in this very moment: what is under way in the store may still be done, and no more is asked for. */
  kill(): Promise<BucketWorld>;
  /** As a process finds it that only reads, on a machine without a shelf. */
  reader(): BucketBlobs;
}

export async function openBucketWorld(
  t: TestContext,
  address: BucketAddress,
  patience: BucketPatience = patient,
): Promise<BucketWorld> {
  const directory = await temporaryDirectory(t);
  return worldIn(t, { directory, address, patience });
}

async function worldIn(
  t: TestContext,
  options: {
    readonly directory: string;
    readonly address: BucketAddress;
    readonly patience: BucketPatience;
  },
): Promise<BucketWorld> {
  const { directory, address, patience } = options;
  const client = new Bucket(address, patience);
  t.after(() => client.close());
  const { bucket, stop } = stoppable(client);
  const ledger = join(directory, 'blobs-in-bucket');
  const blobs = await BucketBlobs.open({ bucket, ledger });
  await blobs.clearIncoming();
  const uploads = new UploadDirectory({
    root: join(directory, 'uploads'),
    blobs,
    clock: systemClock,
    ids: randomIds,
  });
  await uploads.prepare();
  return {
    directory,
    ledger,
    bucket,
    blobs,
    uploads,
    again: () => worldIn(t, options),
    async kill() {
      const copy = await temporaryDirectory(t);
      stop();
      cpSync(directory, copy, { recursive: true, preserveTimestamps: true });
      return worldIn(t, { ...options, directory: copy });
    },
    reader: () => new BucketBlobs({ bucket, ledger: join(directory, 'nowhere') }),
  };
}

/** A bucket that can be made to stand still: nothing is asked of it any more, and nothing it answers is heard. */
function stoppable(client: Bucket): { readonly bucket: Bucket; stop(): void } {
  let isStopped = false;
  const never = new Promise<never>(() => undefined);
  const bucket = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = (value as (...given: unknown[]) => unknown).bind(target);
      if (name === 'list' || name === 'read') return method;
      return async (...given: unknown[]): Promise<unknown> => {
        if (isStopped) return never;
        try {
          return await method(...given);
        } finally {
          if (isStopped) await never;
        }
      };
    },
  });
  return { bucket, stop: () => void (isStopped = true) };
}

export async function commit({ blobs }: Pick<BucketWorld, 'blobs'>, text: string): Promise<Digest> {
  const staged = await blobs.stage(inPieces(text), { maxBytes: text.length });
  try {
    await staged.commit();
  } finally {
    await staged.discard();
  }
  return digestOf(text);
}

/** Takes it out and frees it, as `cairn gc` does. */
export async function removeBlob({ blobs }: Pick<BucketWorld, 'blobs'>, digest: Digest): Promise<boolean> {
  const remover = await blobs.openRemover();
  const freed = remover.takeOut(digest);
  await remover.free();
  await remover.finish();
  return freed !== undefined;
}

export async function filesIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

export async function shelvedIn({ blobs }: Pick<BucketWorld, 'blobs'>): Promise<Digest[]> {
  const all: Digest[] = [];
  for await (const { digests } of blobFolders(blobs.shelf)) all.push(...digests);
  return all;
}
