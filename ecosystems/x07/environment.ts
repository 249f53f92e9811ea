/** The variables of upstream's server, so that a registry can move here with its configuration. */
import { RegistryError } from '../../core/errors.ts';
import { bucketVariables, type SaidWord } from '../bucket-aliases.ts';
import type { Aliases, Environment } from '../ecosystem.ts';

const prefix = 'X07_REGISTRY_';

/** Those that mean the same as one of ours. */
const same: Readonly<Record<string, string>> = {
  BIND: 'CAIRN_LISTEN',
  DATA_DIR: 'CAIRN_DATA',
  BOOTSTRAP_TOKEN: 'CAIRN_BOOTSTRAP_TOKEN',
  CORS_ORIGINS: 'CAIRN_CORS_ORIGINS',
  VERIFIED_NAMESPACES: 'CAIRN_X07_VERIFIED_NAMESPACES',
};

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const isSaid = (name: string): boolean => (given[name]?.trim() ?? '') !== '';
  const words = Object.keys(given)
    .filter((name) => name.startsWith(prefix) && isSaid(name))
    .map((name) => name.slice(prefix.length));
  const said = (word: string): string | undefined => given[prefix + word]?.trim() || undefined;
  const storage = (said('STORAGE') ?? 'fs').toLowerCase();
  const isBucket = storage === 's3';
  const notes = [
    ...(isSaid('DATABASE_URL') ? [`DATABASE_URL is ignored: ${reasons.database}`] : []),
    ...words.flatMap((word) => {
      const reason = isBucket && bucketWords.includes(word) ? undefined : reasonAgainst(word);
      return reason === undefined ? [] : [`${prefix}${word} is ignored: ${reason}`];
    }),
  ];
  if (words.length === 0) return { variables: {}, notes };
  if (!isBucket && storage !== 'fs' && storage !== 'filesystem')
    throw new RegistryError('bad-request', `${prefix}STORAGE=${storage}: use fs or s3`);
  const base = baseUrlIn(said('PUBLIC_BASE'));
  return {
    variables: {
      ...Object.fromEntries(Object.entries(same).map(([word, ours]) => [ours, said(word)])),
      CAIRN_PUBLIC_URL: base?.origin,
      // Upstream's server is the root of its origin, or of the base it is given: its clients have stored that.
      CAIRN_MOUNTS: `x07=${base?.pathname ?? '/'}`,
      ...(isBucket ? bucketIn(given) : {}),
    },
    notes,
  };
}

const bucketWords: readonly string[] = [
  'S3_BUCKET',
  'S3_PREFIX',
  'S3_REGION',
  'S3_ENDPOINT',
  'S3_FORCE_PATH_STYLE',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
];

function bucketIn(given: Environment): Environment {
  const of = (name: string): SaidWord => ({ name, value: given[name]?.trim() || undefined });
  const word = (name: string): SaidWord => of(`${prefix}S3_${name}`);
  const [id, secret] = [word('ACCESS_KEY_ID'), word('SECRET_ACCESS_KEY')];
  // Each of them alone may stand in the common word; both there are for whoever finds credentials anyway.
  const isHere = (id.value ?? secret.value) !== undefined;
  const orCommon = ({ name, value }: SaidWord, common: string): SaidWord =>
    isHere ? { name, value: value ?? of(common).value } : { name, value };
  return bucketVariables({
    bucket: word('BUCKET'),
    prefix: word('PREFIX'),
    region: word('REGION'),
    endpoint: word('ENDPOINT'),
    pathStyle: word('FORCE_PATH_STYLE'),
    accessKeyId: orCommon(id, 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: orCommon(secret, 'AWS_SECRET_ACCESS_KEY'),
  });
}

const reasons = {
  database: 'the log in the data directory takes the place of a database',
  storage: `blobs and site lie below the data directory unless ${prefix}STORAGE is s3`,
  unknown: 'nothing here corresponds to it',
};

function reasonAgainst(word: string): string | undefined {
  if (Object.hasOwn(same, word) || word === 'STORAGE' || word === 'PUBLIC_BASE') return undefined;
  if (word.startsWith('DATABASE_')) return reasons.database;
  return word.startsWith('S3_') ? reasons.storage : reasons.unknown;
}

function baseUrlIn(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new RegistryError(
      'bad-request',
      `${prefix}PUBLIC_BASE=${text} is not a URL such as https://registry.example`,
    );
  return url;
}
