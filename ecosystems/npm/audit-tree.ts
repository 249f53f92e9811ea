/**
 * What is installed, out of the tree that older clients send: `{requires, dependencies: {name: {version, dependencies}}}`.
 * The tree is a stranger's: it is walked without recursion, and what comes out of it is bounded.
 */
import { RegistryError } from '../../core/errors.ts';
import type { FiledAdvisory } from '../../core/package.ts';
import { wrongShape } from './answers.ts';
import { isObject } from './manifest.ts';
import { isAbout } from './summary.ts';

const MAX_NODES = 50_000;
const MAX_PATHS = 100;
/** Of one path; a longer one is cut at its beginning. */
const MAX_PATH_NODES = 64;
/** Of a version: longer ones are none. */
const MAX_VERSION_LENGTH = 256;

/** A place in the tree; the way to it leads over its parents. */
interface Place {
  readonly name: string;
  readonly parent: Place | undefined;
}

interface Occurrence {
  readonly places: Place[];
  isDev: boolean;
  isOptional: boolean;
}

/** Where each version of a package stands. */
export type Installed = Map<string, Occurrence>;

export interface Tree {
  readonly installed: ReadonlyMap<string, Installed>;
  readonly counts: {
    readonly dependencies: number;
    readonly devDependencies: number;
    readonly optionalDependencies: number;
    readonly totalDependencies: number;
  };
}

/** @throws RegistryError `wrong-shape`, or `bad-request` for more than anybody installs. */
export function walk(root: unknown): Tree {
  const installed = new Map<string, Installed>();
  const counts = { dependencies: 0, devDependencies: 0, optionalDependencies: 0, totalDependencies: 0 };
  const pending: { readonly node: unknown; readonly place: Place | undefined }[] = [
    { node: root, place: undefined },
  ];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { node, place } = next;
    if (!isObject(node)) throw wrong();
    const { version, dependencies = {}, dev, optional } = node;
    if (!isObject(dependencies) || (version !== undefined && typeof version !== 'string')) throw wrong();
    for (const [name, child] of Object.entries(dependencies)) {
      pending.push({ node: child, place: { name, parent: place } });
      if (pending.length + counts.totalDependencies > MAX_NODES)
        throw new RegistryError('bad-request', `a tree has ${MAX_NODES} packages at most`);
    }
    if (!place) continue;
    counts.totalDependencies += 1;
    counts[dev === true ? 'devDependencies' : optional === true ? 'optionalDependencies' : 'dependencies'] +=
      1;
    if (version === undefined || version.length > MAX_VERSION_LENGTH) continue;
    const byVersion: Installed = installed.get(place.name) ?? new Map<string, Occurrence>();
    installed.set(place.name, byVersion);
    const known = byVersion.get(version) ?? { places: [], isDev: true, isOptional: true };
    byVersion.set(version, known);
    known.places.push(place);
    known.isDev &&= dev === true;
    known.isOptional &&= optional === true;
  }
  return { installed, counts };
}

/** Where an advisory applies, by version. */
export function placesIn(installed: Installed | undefined, advisory: FiledAdvisory): object[] {
  return [...(installed ?? [])]
    .filter(([version]) => isAbout(advisory, { version }))
    .map(([version, { places, isDev, isOptional }]) => ({
      version,
      paths: places.slice(0, MAX_PATHS).map(pathOf),
      dev: isDev,
      optional: isOptional,
      bundled: false,
    }));
}

function pathOf(place: Place): string {
  const names: string[] = [];
  for (let at: Place | undefined = place; at && names.length < MAX_PATH_NODES; at = at.parent)
    names.push(at.name);
  return names.reverse().join('>');
}

function wrong(): RegistryError {
  return wrongShape('a tree of {"version": "1.0.0", "dependencies": {"name": …}}');
}
