/** What has to change in documents that several packages have a part in: all packages of a commit, a hash of contents. */
import { foundKeysOf, type Package } from '../core/package.ts';
import type { SiteFile } from '../core/site.ts';
import type { RegistryState } from '../core/state.ts';
import { isShown, sameOwners, type Mounted, type Plan, type Removal } from './plan.ts';

export interface Change {
  readonly before: Package | undefined;
  readonly after: Package;
}

/**
 * The documents of every key that one of these changes touches, as all of its packages make them now. What they were is not
 * known here: equal bytes are left alone by whoever writes them.
 */
export async function planKeys(
  changes: readonly Change[],
  { surface, site }: Mounted,
  state: RegistryState,
  memberOf: (packageKey: string) => Promise<Package | undefined>,
): Promise<Plan> {
  const { filesForKey } = surface;
  const touched = new Map<string, { readonly found: string; readonly changes: Change[] }>();
  for (const change of filesForKey ? changes : []) {
    const { ecosystem } = change.after;
    if (!surface.reads.includes(ecosystem)) continue;
    for (const found of changedKeys(change)) {
      const known = touched.get(`${ecosystem}/${found}`);
      if (known) known.changes.push(change);
      else touched.set(`${ecosystem}/${found}`, { found, changes: [change] });
    }
  }
  const documents: SiteFile[] = [];
  const removals: Removal[] = [];
  for (const { found, changes: ofKey } of touched.values()) {
    const ecosystem = ofKey[0]?.after.ecosystem;
    if (!ecosystem || !filesForKey) continue;
    const members = await membersOf(state.packageKeysBy(ecosystem, found), memberOf);
    const wanted = [...filesForKey(found, members, site)];
    const paths = new Set(wanted.map(({ path }) => path));
    const before = ofKey.flatMap((change) =>
      change.before && isShown(change.before) ? [change.before] : [],
    );
    for (const one of before)
      for (const file of filesForKey(found, [one], site)) if (!paths.has(file.path)) removals.push(file);
    documents.push(...wanted);
  }
  return { artifacts: [], documents, removals };
}

/** Packages of a key that everybody may see. */
export async function membersOf(
  packageKeys: readonly string[],
  memberOf: (packageKey: string) => Promise<Package | undefined>,
): Promise<readonly Package[]> {
  const members: Package[] = [];
  for (const key of packageKeys) {
    const member = await memberOf(key);
    if (member && isShown(member)) members.push(member);
  }
  return members;
}

function changedKeys({ before, after }: Change): Iterable<string> {
  const [old, now] = [
    before ? foundKeysOf(before) : new Map<string, readonly object[]>(),
    foundKeysOf(after),
  ];
  const all = new Set([...old.keys(), ...now.keys()]);
  if (!before || before.visibility !== after.visibility || !sameOwners(before, after)) return all;
  return [...all].filter((key) => !sameObjects(old.get(key), now.get(key)));
}

function sameObjects(a: readonly object[] = [], b: readonly object[] = []): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
