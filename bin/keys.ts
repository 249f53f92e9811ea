import { RegistryError } from '../core/errors.ts';
import { ecosystems } from '../ecosystems/index.ts';
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
  await withControl(dataDirectory, (control) => control.execute([{ kind: 'change-settings', settings }]));
  console.log(`${made.id}  ${ecosystem}  ${kind}  ${made.publicKey}  signs`);
}
