import { RegistryError } from '../core/errors.ts';
import { ecosystems } from '../ecosystems/index.ts';
import type { Settings } from '../schema/types.ts';
import { KeyDirectory } from '../stores/key-directory.ts';
import { requireRegistry, withControl } from './control.ts';
import { layout } from './layout.ts';
import { recordedSettings } from './settings.ts';

export async function listKeys(dataDirectory: string, flags: { readonly json?: boolean }): Promise<void> {
  requireRegistry(dataDirectory);
  const { keys = [] } = await recordedSettings(dataDirectory);
  const here = new Set(new KeyDirectory(layout(dataDirectory).keys).ids());
  for (const key of keys) {
    const state = key.retired ? 'retired' : here.has(key.id) ? 'signs' : 'its private half is missing';
    console.log(
      flags.json
        ? JSON.stringify({ ...key, state })
        : [key.id, key.ecosystem, key.kind, key.publicKey, state].join('  '),
    );
  }
}

/** Makes a key for each ecosystem that these mounts turn on, whose clients check signatures, and that has none. */
export async function newKeys(
  directory: KeyDirectory,
  { mounts, keys = [] }: Settings,
  mountsBefore: Settings['mounts'] = {},
): Promise<Pick<Settings, 'keys'>> {
  const made = [];
  for (const { id: ecosystem, signsWith, surfaces } of Object.values(ecosystems)) {
    const isOn = (places: Settings['mounts']): boolean => surfaces.some(({ id }) => places[id] !== undefined);
    const isSigning = keys.some((key) => key.ecosystem === ecosystem && key.retired !== true);
    // Stopping after this leaves a key that nobody names: harmless.
    if (signsWith && isOn(mounts) && !isOn(mountsBefore) && !isSigning)
      made.push({ ...(await directory.create(signsWith)), ecosystem });
  }
  return made.length > 0 ? { keys: [...keys, ...made] } : {};
}

/** What was signed before keeps its signature, and the key to check it stays listed. */
export async function rotateKeys(dataDirectory: string, ecosystem: string): Promise<void> {
  requireRegistry(dataDirectory);
  const kind = Object.values(ecosystems).find(({ id }) => id === ecosystem)?.signsWith;
  if (!kind) throw new RegistryError('bad-request', `there is no ecosystem ${ecosystem} that signs`);
  const before = await recordedSettings(dataDirectory);
  // Stopping after this leaves a key that nobody names: harmless, and the next rotation makes another.
  const made = await new KeyDirectory(layout(dataDirectory).keys).create(kind);
  const old = (before.keys ?? []).map((key) =>
    key.ecosystem === ecosystem ? { ...key, retired: true } : key,
  );
  const settings = { ...before, keys: [...old, { ...made, ecosystem }] };
  // Two rotations at once: a key that has signed must never be lost from the list.
  await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'change-settings', settings, before }]),
  );
  console.log(`${made.id}  ${ecosystem}  ${kind}  ${made.publicKey}  signs`);
}
