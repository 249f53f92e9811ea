/** Options of the server whose place the OCI surface takes: its command line works as it is, in our own words. */
import { RegistryError } from '../core/errors.ts';
import { environment as aliasesIn } from '../ecosystems/oci/environment.ts';
import type { Flags } from './options.ts';

export interface OciFlags {
  readonly host?: string;
  readonly port?: string;
  readonly storage?: string;
  readonly root?: string;
  readonly url?: string;
  readonly databaseUrl?: string;
}

/** Each is a variable as well, over which it goes. */
const variables: Readonly<Record<keyof OciFlags, string>> = {
  host: 'OCI_REGISTRY_URL',
  port: 'OCI_REGISTRY_PORT',
  storage: 'OCI_REGISTRY_STORAGE',
  root: 'OCI_REGISTRY_ROOTDIR',
  url: 'OCI_REGISTRY_PUBLIC_URL',
  databaseUrl: 'DATABASE_URL',
};

/** Those that say what one of ours says. */
const ours = {
  host: { flag: 'listen', spelled: '--listen', variable: 'CAIRN_LISTEN' },
  port: { flag: 'listen', spelled: '--listen', variable: 'CAIRN_LISTEN' },
  root: { flag: 'data', spelled: '--data', variable: 'CAIRN_DATA' },
  url: { flag: 'publicUrl', spelled: '--public-url', variable: 'CAIRN_PUBLIC_URL' },
} as const;

export interface Given {
  readonly flags: Flags;
  readonly environment: NodeJS.ProcessEnv;
}

/** @throws RegistryError `bad-request` for a value that cannot be meant here, or where the same is said twice. */
export function inOurWords(
  { host, port, storage, root, url, databaseUrl, ...flags }: Flags & OciFlags,
  environment: NodeJS.ProcessEnv,
): Given {
  const said = Object.entries({ host, port, storage, root, url, databaseUrl }).flatMap(([word, value]) =>
    value === undefined ? [] : [[word as keyof OciFlags, value] as const],
  );
  const all = {
    ...environment,
    ...Object.fromEntries(said.map(([word, value]) => [variables[word], value])),
  };
  const meant = aliasesIn(all).variables;
  const translated = Object.entries(ours).flatMap(([word, { flag, spelled, variable }]) => {
    if (!said.some(([one]) => one === word)) return [];
    if (flags[flag] !== undefined)
      throw new RegistryError('bad-request', `--${word} and ${spelled} say the same thing: give one of them`);
    return [[flag, meant[variable]] as const];
  });
  return { flags: { ...flags, ...Object.fromEntries(translated) }, environment: all };
}
