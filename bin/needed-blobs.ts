/** Which blobs somebody needs, and since when others have been needed by nobody. */
import type { DigestSet } from '../core/digest-set.ts';
import type { Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { Package } from '../core/package.ts';
import type { UploadStore } from '../core/ports.ts';
import type { RegistryState } from '../core/state.ts';
import { allEcosystems, namedBlobsOf } from '../ecosystems/index.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import { blobFolders, lookAtBlob } from '../stores/blob-folders.ts';
import { readUnneeded, type UnneededBlob } from '../stores/unneeded-blobs.ts';

export interface NeededDeps {
  readonly state: RegistryState;
  readonly blobs: ShelvedBlobs;
  readonly turn: () => Promise<void>;
}

/** What packages name, as they were when the log had `length` events. Package by package: none stays in memory. */
export async function noteNamed(
  needed: DigestSet,
  length: number,
  { state, blobs, turn }: NeededDeps,
  onPackages?: (done: number, all: number) => void,
): Promise<void> {
  const keys = state.packageKeys(allEcosystems);
  for (const [done, key] of keys.entries()) {
    const of = state.packageAt(key, length);
    if (of) for await (const { digest } of namedBlobsOf(of, manifestsOf(of, blobs))) needed.add(digest);
    onPackages?.(done + 1, keys.length);
    await turn();
  }
}

function manifestsOf(
  { ecosystem, name }: Package,
  blobs: ShelvedBlobs,
): (meta: Digest) => Promise<Uint8Array> {
  return async (meta) => {
    try {
      return await blobs.read(meta);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      throw new RegistryError(
        'conflict',
        `nothing is removed: a manifest of ${ecosystem}/${name} cannot be read, so that nobody knows what it names: ${error.message}. Restore it from a copy; cairn doctor tells more`,
        { cause: error.cause },
      );
    }
  };
}

/** What is held for a push, but for what is about to end. */
export async function noteHeld(
  needed: DigestSet,
  uploads: Pick<UploadStore, 'all'>,
  beforeMs = -Infinity,
): Promise<void> {
  for await (const pending of uploads.all())
    if (pending.kind === 'held' && pending.at >= beforeMs) needed.add(pending.digest);
}

export interface UnneededOptions extends Omit<NeededDeps, 'state'> {
  readonly needed: DigestSet;
  /** What an earlier run has noted. */
  readonly notes: string;
  readonly now: number;
}

export type Found =
  | ({ readonly kind: 'unneeded' } & UnneededBlob)
  /** What no blob store has put there. */
  | { readonly kind: 'stranger'; readonly path: string };

/** All that lies among the blobs and is not needed, in ascending order of digests. */
export async function* findUnneeded({
  blobs,
  needed,
  notes,
  now,
  turn,
}: UnneededOptions): AsyncGenerator<Found> {
  const noted = new Notes(notes);
  try {
    for await (const { digests, strangers } of blobFolders(blobs.shelf)) {
      for (const path of strangers) yield { kind: 'stranger', path };
      const others = digests.filter((digest) => !needed.has(digest));
      const files = await Promise.all(others.map((digest) => lookAtBlob(blobs.shelf, digest)));
      for (const [i, digest] of others.entries()) {
        const file = files[i];
        if (!file) continue;
        const note = await noted.of(digest);
        // Whoever needed it in between has touched it: then it is as new. So is what a wrong clock has noted.
        const since = note && note.touched === file.touched && note.since <= now ? note.since : now;
        yield { kind: 'unneeded', digest, ...file, since };
      }
      await turn();
    }
  } finally {
    await noted.close();
  }
}

/** Read along: asked for in ascending order. */
class Notes {
  readonly #notes: AsyncGenerator<UnneededBlob>;
  #next: UnneededBlob | undefined;
  #isOver = false;

  constructor(path: string) {
    this.#notes = readUnneeded(path);
  }

  async of(digest: string): Promise<UnneededBlob | undefined> {
    while (!this.#isOver && (this.#next === undefined || this.#next.digest < digest)) {
      const next = await this.#notes.next();
      this.#isOver = next.done === true;
      this.#next = next.done ? undefined : next.value;
    }
    return this.#next?.digest === digest ? this.#next : undefined;
  }

  async close(): Promise<void> {
    await this.#notes.return(undefined);
  }
}
