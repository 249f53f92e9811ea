/** The variables of upstream's server, so that a registry can move here with its configuration. */
import { RegistryError } from '../../core/errors.ts';
import type { Aliases, Environment } from '../ecosystem.ts';

const prefix = 'X07_REGISTRY_';

/** There is no database here: the log is the database. */
const databases = [`${prefix}DATABASE_URL`, `${prefix}DATABASE_SCHEMA`, 'DATABASE_URL'];

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const said = (name: string): string | undefined => given[prefix + name]?.trim() || undefined;
  const names = Object.keys(given).filter((name) => name.startsWith(prefix) && given[name]?.trim());
  const notes = [
    ...databases
      .filter((name) => given[name]?.trim())
      .map((name) => `${name} is ignored: the log in the data directory takes the place of a database`),
    ...names
      .filter((name) => name.startsWith(`${prefix}S3_`))
      .map((name) => `${name} is ignored: blobs and site lie below the data directory`),
  ];
  if (names.length === 0) return { variables: {}, notes };
  const storage = said('STORAGE') ?? 'fs';
  if (storage !== 'fs')
    throw new RegistryError(
      'bad-request',
      `${prefix}STORAGE=${storage}: only fs is supported; blobs and site lie below the data directory`,
    );
  const base = baseUrlIn(said('PUBLIC_BASE') ?? `http://${said('BIND') ?? '127.0.0.1:8080'}`);
  return {
    variables: {
      CAIRN_LISTEN: said('BIND'),
      CAIRN_DATA: said('DATA_DIR'),
      CAIRN_PUBLIC_URL: said('PUBLIC_BASE') === undefined ? undefined : base.origin,
      // Upstream's server is the root of its origin, or of the base it is given: its clients have stored that.
      CAIRN_MOUNTS: `x07=${base.pathname}`,
      CAIRN_BOOTSTRAP_TOKEN: said('BOOTSTRAP_TOKEN'),
      CAIRN_CORS_ORIGINS: said('CORS_ORIGINS'),
      CAIRN_X07_VERIFIED_NAMESPACES: said('VERIFIED_NAMESPACES'),
    },
    notes,
  };
}

function baseUrlIn(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.search || url.hash)
    throw new RegistryError(
      'bad-request',
      `${prefix}PUBLIC_BASE=${text} is not a URL such as https://registry.example`,
    );
  return url;
}
