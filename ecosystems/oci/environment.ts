/** The variables of upstream's server, so that a registry can move here with its configuration (contract, section 15.3). */
import { SHORTEST_LIFETIME_SECONDS } from '../../core/access-tokens.ts';
import { RegistryError } from '../../core/errors.ts';
import { LONGEST_LIFETIME_SECONDS } from '../../core/rotating-keys.ts';
import { bucketVariables, switchIn, type SaidWord } from '../bucket-aliases.ts';
import type { Aliases, Environment } from '../ecosystem.ts';

const prefix = 'OCI_REGISTRY_';
const [standardHost, standardPort] = ['127.0.0.1', '8968'];

const reasons = {
  log: 'the log in the data directory takes the place of a database',
  salt: 'each password has a salt of its own, which nobody has to choose or keep',
  secret:
    'tokens are signed by key pairs that are made here and exchanged every day; whoever knew a shared secret could make tokens of anybody',
  level: 'use CAIRN_LOG_LEVEL',
  storage: `blobs and site lie below the data directory unless ${prefix}STORAGE is S3`,
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
const bucketWords = [
  'S3_BUCKET',
  'S3_REGION',
  'S3_ENDPOINT',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'S3_PATH_STYLE',
  'S3_ALLOW_HTTP',
];

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const said = (name: string): string | undefined => given[name]?.trim() || undefined;
  const own = Object.keys(given)
    .filter((name) => name.startsWith(prefix) && said(name) !== undefined)
    .map((name) => name.slice(prefix.length));
  if (own.length === 0) return { variables: {}, notes: [] };
  const isBucket = isInBucket(said(`${prefix}STORAGE`));
  const lifetime = lifetimeOf(said('JWT_LIFETIME_SECONDS'));
  return {
    variables: {
      CAIRN_LISTEN: listenOf(said(`${prefix}URL`), said(`${prefix}PORT`)),
      CAIRN_PUBLIC_URL: said(`${prefix}PUBLIC_URL`)?.replace(/\/+$/, ''),
      CAIRN_DATA: said(`${prefix}ROOTDIR`),
      CAIRN_ACCESS_TOKEN_SECONDS: lifetime.seconds,
      ...(isBucket ? bucketIn(said) : {}),
    },
    standards: { CAIRN_LISTEN: `${standardHost}:${standardPort}` },
    notes: [
      ...own
        .filter((word) => !known.includes(word) && !(isBucket && bucketWords.includes(word)))
        .map(
          (word) =>
            `${prefix}${word} is ignored: ${bucketWords.includes(word) ? reasons.storage : reasons.unknown}`,
        ),
      ...Object.entries(ignored).flatMap(([name, reason]) =>
        said(name) === undefined ? [] : [`${name} is ignored: ${reason}`],
      ),
      ...lifetime.notes,
      ...(said('CAIRN_REGISTRATION') === undefined
        ? ['unlike upstream, people make accounts by themselves only where registration is open']
        : []),
    ],
  };
}

function isInBucket(storage: string | undefined): boolean {
  const word = storage?.toUpperCase() ?? 'FILESYSTEM';
  if (word === 'FILESYSTEM' || word === 'S3') return word === 'S3';
  throw new RegistryError('bad-request', `${prefix}STORAGE=${storage} (or --storage): use FILESYSTEM or S3`);
}

function bucketIn(said: (name: string) => string | undefined): Environment {
  const word = (name: string): SaidWord => ({
    name: `${prefix}S3_${name}`,
    value: said(`${prefix}S3_${name}`),
  });
  const [endpoint, allowHttp] = [word('ENDPOINT'), word('ALLOW_HTTP')];
  // Upstream does not speak with such a store either, unless it is told to.
  if (/^http:/i.test(endpoint.value ?? '') && switchIn(allowHttp) !== 'true')
    throw new RegistryError(
      'bad-request',
      `${endpoint.name} is http:, and everything would go there unencrypted: use https:, or say ${allowHttp.name}=true`,
    );
  return bucketVariables({
    bucket: word('BUCKET'),
    region: word('REGION'),
    endpoint,
    pathStyle: word('PATH_STYLE'),
    accessKeyId: word('ACCESS_KEY_ID'),
    secretAccessKey: word('SECRET_ACCESS_KEY'),
  });
}

/** Its name says URL, and it is the address to listen on. */
function listenOf(host: string | undefined, port: string | undefined): string | undefined {
  if (host?.includes('/'))
    throw new RegistryError(
      'bad-request',
      `${prefix}URL=${host} (or --host) is the address to listen on, such as ${standardHost}; the URL of clients is ${prefix}PUBLIC_URL`,
    );
  if (port !== undefined && !/^\d{1,5}$/.test(port))
    throw new RegistryError(
      'bad-request',
      `${prefix}PORT=${port} (or --port): use a number such as ${standardPort}`,
    );
  if (host === undefined && port === undefined) return undefined;
  return `${host ?? standardHost}:${port ?? standardPort}`;
}

/** Clients are told how long each token is good: another time than upstream's is in nobody's way. */
function lifetimeOf(said: string | undefined): { seconds: string | undefined; notes: readonly string[] } {
  if (said === undefined || !/^\d+$/.test(said)) return { seconds: said, notes: [] };
  const seconds = Math.min(Math.max(Number(said), SHORTEST_LIFETIME_SECONDS), LONGEST_LIFETIME_SECONDS);
  if (seconds === Number(said)) return { seconds: said, notes: [] };
  const range = `${SHORTEST_LIFETIME_SECONDS} to ${LONGEST_LIFETIME_SECONDS}`;
  return {
    seconds: String(seconds),
    notes: [`JWT_LIFETIME_SECONDS=${said} is ${seconds} here: a token is good for ${range} seconds`],
  };
}
