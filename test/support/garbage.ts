/** A registry over a real directory whose clock is ours, for tests of what is removed from it and what is not. */
import assert from 'node:assert/strict';
import { join, relative, sep } from 'node:path';
import type { TestContext } from 'node:test';
import { createRegistry, openRegistry, type Registry } from '../../bin/open-registry.ts';
import { recordStorage, type Storage } from '../../bin/storage.ts';
import type { Command } from '../../core/decide.ts';
import type { Digest } from '../../core/digest.ts';
import type { RegistryEvent } from '../../core/event.ts';
import type { GarbageReport } from '../../core/garbage.ts';
import { admin, someSettings } from './registry.ts';
import { filesBelow } from './stored-state.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const HOUR_MS = 60 * 60_000;
export const DAY_MS = 24 * HOUR_MS;

export interface GarbageWorld {
  readonly data: string;
  readonly registry: Registry;
  readonly clock: { time: number };
  /** Writes, and brings these contents along. */
  write(
    command: Command | readonly Command[],
    ...contents: readonly (string | Buffer)[]
  ): Promise<readonly RegistryEvent[]>;
  /** Puts a blob there as a stopped push leaves it: no event names it, nobody holds it. */
  drop(content: string): Promise<Digest>;
  /** Removes what nobody has needed for so long; default at once. */
  collect(graceMs?: number): Promise<GarbageReport>;
  /** Of all blobs that are there, sorted. */
  digests(): Promise<readonly string[]>;
  /** Lets others in. Safe to repeat. */
  close(): Promise<void>;
}

const mounts = { x07: '/x07', npm: '/npm', pantry: '/pantry', zig: '/zig', oci: '/v2' };

/** Below its data directory, unless it is told where blobs and site are. */
export async function openGarbageWorld(
  t: Pick<TestContext, 'after'>,
  storage: Storage = {},
): Promise<GarbageWorld> {
  const data = await temporaryDirectory(t);
  if (storage.blobs !== undefined || storage.site !== undefined) await recordStorage(data, storage);
  const clock = { time: Date.now() };
  const registry = await openRegistry({ dataDirectory: data, clock: { now: () => (clock.time += 1) } });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= registry.close());
  t.after(close);
  await createRegistry(registry, someSettings({ mounts }), { now: () => clock.time });
  const stage = (content: string | Buffer) => registry.blobs.stage(once(content), { maxBytes: 1_000_000 });
  return {
    data,
    registry,
    clock,
    async write(command, ...contents) {
      const blobs = await Promise.all(contents.map(stage));
      const plan = (): readonly Command[] => (isList(command) ? command : [command]);
      return registry.writer.execute({ actor: admin, plan, blobs });
    },
    async drop(content) {
      const staged = await stage(content);
      await staged.commit();
      return staged.digest;
    },
    collect: (graceMs = 0) => registry.garbage.collect({ graceMs }),
    digests: () => digestsIn(data, storage.blobs === undefined ? 'blobs' : 'blobs-in-bucket'),
    close,
  };
}

async function* once(content: string | Buffer): AsyncIterable<Uint8Array> {
  yield Buffer.from(content);
}

function isList(command: Command | readonly Command[]): command is readonly Command[] {
  return Array.isArray(command);
}

/** Of all blobs below a data directory, sorted. */
export async function digestsIn(data: string, folder = 'blobs'): Promise<readonly string[]> {
  const blobs = join(data, folder);
  const files = (await filesBelow(blobs)).map((path) => relative(blobs, path).split(sep));
  return files.flatMap(([algorithm, , hex]) => (hex === undefined ? [] : [`${algorithm}:${hex}`])).sort();
}

/** @throws AssertionError unless exactly these were removed. */
export function assertRemoved(
  before: readonly string[],
  after: readonly string[],
  gone: readonly string[],
): void {
  assert.deepEqual(
    before.filter((digest) => !after.includes(digest)),
    [...gone].sort(),
  );
  assert.deepEqual(
    after.filter((digest) => !before.includes(digest)),
    [],
  );
}
