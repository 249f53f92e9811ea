/** The registry that the benches of `regen` share: made once for each place of a run. */
import { join } from 'node:path';
import type { BenchContext, Place } from './measure.ts';
import { makeRegistry } from './processes.ts';

export interface RegenRegistry {
  readonly data: string;
  readonly packages: number;
  readonly versions: number;
}

const made = new Map<string, Promise<RegenRegistry>>();

export function regenRegistry({ size, scratch, say }: BenchContext, place: Place): Promise<RegenRegistry> {
  const key = `${size} ${place.directory}`;
  const known = made.get(key);
  if (known) return known;
  const shape =
    size === 'full' ? { packages: 20_000, versions: 200_000 } : { packages: 500, versions: 5_000 };
  const data = join(scratch(place), 'data');
  say(`making ${shape.packages} packages, ${shape.versions} versions, ${place.name}`);
  const making = makeRegistry(data, shape).then(() => ({ data, ...shape }));
  made.set(key, making);
  return making;
}
