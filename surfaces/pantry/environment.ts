/** The variables of upstream's server, so that a registry can move here with its configuration (contract, section 15). */
import { RegistryError } from '../../core/errors.ts';
import { bucketVariables, type SaidWord } from '../../ecosystems/bucket-aliases.ts';
import type { Aliases, Environment } from '../../ecosystems/ecosystem.ts';
import { providerEndpoint } from './storage-providers.ts';

const reasons = {
  log: 'the log in the data directory takes the place of a database',
  bucket: 'tarballs lie below the data directory as long as S3_BUCKET is local',
  paywall: 'there is no paywall',
};

/** What does nothing here, and why. Names without a prefix of Pantry's own are looked at only where one of its own is there. */
const ignored: Readonly<Record<string, string>> = {
  DYNAMODB_TABLE: reasons.log,
  DYNAMODB_ANALYTICS_TABLE: 'counts lie in the data directory, and survive a restart',
  METADATA_BACKEND: reasons.log,
  METADATA_KEY: reasons.log,
  STRIPE_SECRET_KEY: reasons.paywall,
  STRIPE_WEBHOOK_SECRET: reasons.paywall,
};

/** What does nothing while files are below the data directory. */
const bucketWords = ['S3_REGION', 'S3_ENDPOINT', 'S3_FORCE_PATH_STYLE', 'STORAGE_PROVIDER'];

/** Any of these tells that the environment was made for Pantry's server. */
const own = ['PANTRY_REGISTRY_TOKEN', 'PANTRY_TOKEN', 'BASE_URL', 'S3_BUCKET', 'DYNAMODB_TABLE'];

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const said = (name: string): string | undefined => given[name]?.trim() || undefined;
  const npmFallback = said('NPM_FALLBACK');
  if (!own.some((name) => said(name) !== undefined))
    return { variables: { CAIRN_NPM_FALLBACK: npmFallback }, notes: [] };
  const isBucket = (said('S3_BUCKET') ?? 'local') !== 'local';
  const port = said('PORT');
  const base = baseUrlIn(said('BASE_URL'));
  return {
    variables: {
      CAIRN_NPM_FALLBACK: npmFallback,
      CAIRN_ADMIN_TOKEN: said('PANTRY_REGISTRY_TOKEN') ?? said('PANTRY_TOKEN'),
      CAIRN_LISTEN: port === undefined ? undefined : `:${port}`,
      CAIRN_PUBLIC_URL: base?.origin,
      // Upstream's server is the root of its origin, or of the base it is given: its clients have stored that.
      CAIRN_MOUNTS: `pantry=${base?.pathname ?? '/'}`,
      ...(isBucket ? bucketIn(said) : {}),
    },
    notes: [
      ...Object.entries(ignored),
      ...(isBucket ? [] : bucketWords.map((name) => [name, reasons.bucket] as const)),
    ].flatMap(([name, reason]) => {
      const value = said(name);
      return value === undefined || value === 'local' ? [] : [`${name} is ignored: ${reason}`];
    }),
  };
}

/** Credentials have no words of Pantry's own: they are found where every program of AWS finds them. */
function bucketIn(said: (name: string) => string | undefined): Environment {
  const word = (name: string): SaidWord => ({ name, value: said(name) });
  const region = said('S3_REGION') ?? said('AWS_REGION');
  return bucketVariables({
    bucket: word('S3_BUCKET'),
    region: { name: 'S3_REGION', value: region },
    endpoint: {
      name: 'S3_ENDPOINT',
      value: said('S3_ENDPOINT') ?? providerEndpoint(said('STORAGE_PROVIDER'), region),
    },
    pathStyle: word('S3_FORCE_PATH_STYLE'),
  });
}

function baseUrlIn(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new RegistryError('bad-request', `BASE_URL=${text} is not a URL such as https://registry.example`);
  return url;
}
