import type { Settings } from '../schema/types.ts';
import { RegistryError } from '../core/errors.ts';
import { asSettings } from '../schema/validate.ts';
import { buildRouting } from '../api/routing.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { KeyDirectory } from '../stores/key-directory.ts';
import { requireRegistry, withControl } from './control.ts';
import { newKeys } from './keys.ts';
import { layout } from './layout.ts';
import { readRegistry } from './open-registry.ts';
import { mountsOf, parseMounts, parsePublicUrl } from './options.ts';

interface SettingsFlags {
  readonly publicUrl?: string;
  readonly mounts?: string;
  readonly x07?: string;
  readonly npm?: string;
  readonly oci?: string;
  readonly ori?: string;
}

/** Prints the settings, after changing what was given. Every client that stored an old URL will miss it. */
export async function changeSettings(dataDirectory: string, flags: SettingsFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const before = await recordedSettings(dataDirectory);
  const places = parseMounts(flags.mounts);
  const wanted = asSettings({
    ...before,
    ...(flags.publicUrl === undefined ? {} : { publicUrl: parsePublicUrl(flags.publicUrl) }),
    ...(places ? { mounts: { ...before.mounts, ...knownPlaces(places) } } : {}),
    ...(flags.x07 === undefined ? {} : { x07: parseJson(flags.x07, '--x07') }),
    ...(flags.npm === undefined ? {} : { npm: parseJson(flags.npm, '--npm') }),
    ...(flags.oci === undefined ? {} : { oci: parseJson(flags.oci, '--oci') }),
    ...(flags.ori === undefined ? {} : { ori: parseJson(flags.ori, '--ori') }),
  });
  buildRouting(allSurfaces, wanted);
  // From the first version on: clients that are offered keys want every version signed.
  const keys = await newKeys(new KeyDirectory(layout(dataDirectory).keys), wanted, before.mounts);
  const settings = { ...wanted, ...keys };
  const isChange = JSON.stringify(settings) !== JSON.stringify(before);
  if (isChange)
    await withControl(dataDirectory, (control) =>
      control.execute([{ kind: 'change-settings', settings, before }]),
    );
  console.log(JSON.stringify(settings, null, 2));
}

/** What is not named stays as it is: turned on, or off. @throws RegistryError `bad-request` for what is no surface. */
function knownPlaces(places: Settings['mounts']): Settings['mounts'] {
  mountsOf(undefined, places);
  return places;
}

export async function recordedSettings(dataDirectory: string): Promise<Settings> {
  const registry = await readRegistry(dataDirectory);
  try {
    return registry.state.settings;
  } finally {
    await registry.close();
  }
}

function parseJson(text: string, flag: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RegistryError('bad-request', `${flag}: ${(error as Error).message}`);
  }
}
