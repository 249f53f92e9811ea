/** The variables of upstream's server, so that a registry can move here with its configuration (contract, section 15.3). */
import { RegistryError } from '../../core/errors.ts';
import type { Aliases, Environment } from '../ecosystem.ts';

const prefix = 'OCI_REGISTRY_';

const reasons = {
  log: 'the log in the data directory takes the place of a database',
  salt: 'each password has a salt of its own, which nobody has to choose or keep',
  secret:
    'tokens are signed by key pairs that are made here and exchanged every day; whoever knew a shared secret could make tokens of anybody',
  level: 'use CAIRN_LOG_LEVEL',
  unknown: 'nothing here corresponds to it',
};

/** Looked at only where a variable of upstream's own is there: others use these names too. */
const ignored: Readonly<Record<string, string>> = {
  DATABASE_URL: reasons.log,
  POSTGRES_HOST: reasons.log,
  POSTGRES_PORT: reasons.log,
  POSTGRES_USER: reasons.log,
  POSTGRES_PASSWORD: reasons.log,
  POSTGRES_DB: reasons.log,
  PASSWORD_SALT: reasons.salt,
  JWT_SECRET: reasons.secret,
  RUST_LOG: reasons.level,
  GITHUB_CLIENT_ID: reasons.unknown,
  GITHUB_CLIENT_SECRET: reasons.unknown,
};

const known = ['URL', 'PORT', 'PUBLIC_URL', 'STORAGE', 'ROOTDIR'];

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const said = (name: string): string | undefined => given[name]?.trim() || undefined;
  const own = Object.keys(given)
    .filter((name) => name.startsWith(prefix) && said(name) !== undefined)
    .map((name) => name.slice(prefix.length));
  if (own.length === 0) return { variables: {}, notes: [] };
  const storage = said(`${prefix}STORAGE`) ?? 'FILESYSTEM';
  if (storage.toUpperCase() !== 'FILESYSTEM')
    throw new RegistryError(
      'bad-request',
      `${prefix}STORAGE=${storage}: only FILESYSTEM is supported; blobs and site lie below the data directory`,
    );
  const [host, port] = [said(`${prefix}URL`), said(`${prefix}PORT`)];
  return {
    variables: {
      // Upstream listens here unless told.
      CAIRN_LISTEN: `${host ?? '127.0.0.1'}:${port ?? '8968'}`,
      CAIRN_PUBLIC_URL: said(`${prefix}PUBLIC_URL`)?.replace(/\/+$/, ''),
      CAIRN_DATA: said(`${prefix}ROOTDIR`),
      CAIRN_ACCESS_TOKEN_SECONDS: said('JWT_LIFETIME_SECONDS'),
    },
    notes: [
      ...own
        .filter((word) => !known.includes(word))
        .map((word) => `${prefix}${word} is ignored: ${reasons.unknown}`),
      ...Object.entries(ignored).flatMap(([name, reason]) =>
        said(name) === undefined ? [] : [`${name} is ignored: ${reason}`],
      ),
      ...(said('CAIRN_REGISTRATION') === undefined
        ? ['nobody can register by themselves, unlike upstream: CAIRN_REGISTRATION=open lets them']
        : []),
    ],
  };
}
