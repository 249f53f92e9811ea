/** Where settings come from: flags, then the environment, then the configuration file, then defaults. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SaidLimits } from '../api/limits.ts';
import type { Redirects } from '../api/redirects.ts';
import { SHORTEST_LIFETIME_SECONDS } from '../core/access-tokens.ts';
import type { Registration } from '../core/account-book.ts';
import { EnvironmentTokens } from '../core/environment-tokens.ts';
import { RegistryError } from '../core/errors.ts';
import type { Upstream } from '../core/ports.ts';
import { LONGEST_LIFETIME_SECONDS } from '../core/rotating-keys.ts';
import type { Settings } from '../schema/types.ts';
import { asSettings } from '../schema/validate.ts';
import { ecosystems } from '../ecosystems/index.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { checkTrustedRoot } from '../ecosystems/sigstore.ts';
import type { UpstreamLimits } from '../stores/upstream-http.ts';
import { aliasesIn } from './aliases.ts';
import { parseLimits, parseProxies, parseRedisUrl } from './limit-options.ts';
import { parseUpstreamUrl } from './npm-registry.ts';
import { ownTokens } from './own-tokens.ts';
import { parseStorage, type Storage } from './storage.ts';

export interface Options {
  readonly dataDirectory: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Only what was said; what was not follows from what the registry has recorded, or from defaults at first start. */
  readonly said: Said;
  readonly administratorToken: string | undefined;
  readonly bootstrapSecret: string | undefined;
  /** For a namespace or an ecosystem each. */
  readonly environmentTokens: EnvironmentTokens;
  /** Origins whose pages may read the API; `*` for all. */
  readonly corsOrigins: readonly string[];
  readonly registration: Registration;
  /** How many requests clients may send, by surface, where somebody says so. */
  readonly limits: SaidLimits;
  /** Where several processes count requests together; each by itself when undefined. Never shown: it may hold a password. */
  readonly limitsRedis: string | undefined;
  /** Networks of the proxies before this server, which are believed about where a request comes from. */
  readonly trustedProxies: readonly string[];
  /** How long an access token is good. */
  readonly accessTokenSeconds: number;
  /** What one upload may have, by surface, where somebody has said so. Not recorded: the site does not depend on it. */
  readonly maxUploadBytes: Readonly<Record<string, number>>;
  /** What provenance is verified against, JSON; undefined for the root of the public Sigstore instance. */
  readonly sigstoreRoot: string | undefined;
  readonly npmFallback: NpmFallback;
  /** Where blobs and site are to be, and how their store is reached, where somebody says so. */
  readonly storage: Storage;
  /** For how long clients may read private blobs from the bucket itself, where they are sent there. */
  readonly redirects: Redirects;
  /** What was said in another server's words and does nothing here. */
  readonly notes: readonly string[];
}

/** Who is asked for npm packages that are not ours. Not recorded: the site does not depend on it. */
export interface NpmFallback {
  /** `machine`: whoever the npm configuration of this machine names. */
  readonly upstream: 'off' | 'machine' | { readonly url: string };
  readonly archives: Upstream['archives'];
  /** For tests, which cannot wait as long as it is right to. */
  readonly limits?: Partial<UpstreamLimits>;
}

export interface Said {
  readonly publicUrl: string | undefined;
  readonly mounts: Settings['mounts'] | undefined;
  readonly x07: Settings['x07'] | undefined;
  readonly npm: Settings['npm'] | undefined;
  readonly oci: Settings['oci'] | undefined;
  readonly ori: Settings['ori'] | undefined;
}

export interface Flags {
  readonly data?: string;
  readonly listen?: string;
  readonly publicUrl?: string;
  readonly registration?: string;
  readonly config?: string;
  readonly npmFallback?: string;
}

interface ConfigFile {
  readonly data?: string;
  readonly listen?: string;
  readonly publicUrl?: string;
  readonly ecosystems?: readonly string[];
  readonly mounts?: Readonly<Record<string, string>>;
  readonly x07?: Settings['x07'];
  readonly npm?: Settings['npm'];
  readonly oci?: Settings['oci'];
  readonly ori?: Settings['ori'];
  readonly corsOrigins?: readonly string[];
  readonly registration?: string;
  readonly limits?: Readonly<Record<string, string>>;
  readonly trustedProxies?: readonly string[];
  readonly accessTokenSeconds?: number;
  readonly runMaxUploadMb?: number;
  readonly sigstoreTrustedRoot?: string;
  readonly npmFallback?: string | boolean;
  readonly npmFallbackTarballs?: string;
  readonly privateRedirects?: number | string;
  readonly storage?: {
    readonly bucket?: string;
    readonly blobs?: string;
    readonly site?: string;
    readonly artifacts?: string;
    readonly endpoint?: string;
    readonly region?: string;
    readonly pathStyle?: boolean;
    readonly publicEndpoint?: string;
  };
}

/** @throws RegistryError `bad-request`, or SchemaViolation, naming the option that cannot be understood. */
export function readOptions(flags: Flags, environment: NodeJS.ProcessEnv = process.env): Options {
  const file = flags.config === undefined ? {} : readConfigFile(flags.config);
  const aliases = aliasesIn(environment);
  const env = (name: string): string | undefined => environment[name]?.trim() || aliases.said(name);
  const listIn = (name: string): readonly string[] | undefined =>
    env(name)
      ?.split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  const list = listIn('CAIRN_ECOSYSTEMS') ?? file.ecosystems;
  const verifiedNamespaces = listIn('CAIRN_X07_VERIFIED_NAMESPACES');
  const mounts = parseMounts(env('CAIRN_MOUNTS') ?? pairsOf(file.mounts));
  const said: Said = {
    publicUrl: parsePublicUrl(flags.publicUrl ?? env('CAIRN_PUBLIC_URL') ?? file.publicUrl),
    mounts: list || mounts ? mountsOf(list, mounts ?? {}) : undefined,
    npm: npmSettings(file.npm, env('CAIRN_NPM_ACCESS'), env('CAIRN_NPM_UNPUBLISH_HOURS')),
    oci: ociSettings(file.oci, {
      defaultVisibility: env('CAIRN_OCI_VISIBILITY'),
      namespaces: env('CAIRN_OCI_NAMESPACES'),
      anonymous: env('CAIRN_OCI_ANONYMOUS'),
    }),
    ori: oriSettings(file.ori, env('CAIRN_ORI_PRERELEASES')),
    x07: verifiedNamespaces ? { ...file.x07, verifiedNamespaces: [...verifiedNamespaces] } : file.x07,
  };
  checkSettings(said);
  const administratorToken = env('CAIRN_ADMIN_TOKEN');
  const bootstrapSecret = env('CAIRN_BOOTSTRAP_TOKEN');
  return {
    dataDirectory: resolve(flags.data ?? env('CAIRN_DATA') ?? file.data ?? './cairn-data'),
    listen: parseListen(
      flags.listen ??
        env('CAIRN_LISTEN') ??
        file.listen ??
        aliases.standard('CAIRN_LISTEN') ??
        '127.0.0.1:8080',
    ),
    said,
    administratorToken,
    bootstrapSecret,
    environmentTokens: new EnvironmentTokens(
      [...ownTokens(env('CAIRN_TOKENS')), ...aliases.tokens],
      [administratorToken, bootstrapSecret],
    ),
    corsOrigins: listIn('CAIRN_CORS_ORIGINS') ?? file.corsOrigins ?? [],
    registration: parseRegistration(
      flags.registration ?? env('CAIRN_REGISTRATION') ?? file.registration ?? 'closed',
    ),
    limits: {
      ...parseLimits(pairsOf(file.limits), 'limits'),
      // Each of them speaks of its own surface.
      ...parseLimits(aliases.said('CAIRN_LIMITS')),
      ...parseLimits(environment['CAIRN_LIMITS']),
    },
    limitsRedis: parseRedisUrl(env('CAIRN_LIMITS_REDIS')),
    trustedProxies: parseProxies(listIn('CAIRN_TRUSTED_PROXIES') ?? file.trustedProxies),
    accessTokenSeconds: parseLifetime(env('CAIRN_ACCESS_TOKEN_SECONDS') ?? file.accessTokenSeconds ?? 300),
    maxUploadBytes: uploadLimits(env('CAIRN_RUN_MAX_UPLOAD_MB') ?? file.runMaxUploadMb),
    sigstoreRoot: readTrustedRoot(env('CAIRN_SIGSTORE_TRUSTED_ROOT') ?? file.sigstoreTrustedRoot),
    npmFallback: {
      upstream: parseFallback(flags.npmFallback ?? env('CAIRN_NPM_FALLBACK') ?? file.npmFallback ?? true),
      archives: parseArchives(env('CAIRN_NPM_FALLBACK_TARBALLS') ?? file.npmFallbackTarballs ?? 'redirect'),
    },
    redirects: parseRedirects(env('CAIRN_PRIVATE_REDIRECTS') ?? file.privateRedirects ?? 'off'),
    storage: parseStorage((name) => env(name) ?? inFile(file.storage, name)),
    notes: aliases.notes,
  };
}

const storageWords: Readonly<Record<string, keyof NonNullable<ConfigFile['storage']>>> = {
  CAIRN_BUCKET: 'bucket',
  CAIRN_BLOBS: 'blobs',
  CAIRN_SITE: 'site',
  CAIRN_SITE_ARTIFACTS: 'artifacts',
  CAIRN_S3_ENDPOINT: 'endpoint',
  CAIRN_S3_REGION: 'region',
  CAIRN_S3_PATH_STYLE: 'pathStyle',
  CAIRN_S3_PUBLIC_ENDPOINT: 'publicEndpoint',
};

function inFile(storage: ConfigFile['storage'], name: string): string | undefined {
  const word = storageWords[name];
  return word && storage?.[word]?.toString();
}

/** Before anything is made of them. @throws SchemaViolation */
function checkSettings({ publicUrl = 'http://localhost', mounts = {}, x07, npm, oci, ori }: Said): void {
  asSettings({
    publicUrl,
    mounts,
    ...(x07 ? { x07 } : {}),
    ...(npm ? { npm } : {}),
    ...(oci ? { oci } : {}),
    ...(ori ? { ori } : {}),
  });
}

/** What is none of the words is for the schema to refuse. */
function oriSettings(file: Settings['ori'], prereleases: string | undefined): Settings['ori'] {
  if (prereleases === undefined) return file;
  return { ...file, prereleases: prereleases as 'allowed' | 'refused' };
}

/** What is none of the words is for the schema to refuse. */
function ociSettings(
  file: Settings['oci'],
  said: Readonly<Record<keyof NonNullable<Settings['oci']>, string | undefined>>,
): Settings['oci'] {
  const given = Object.entries(said).filter(([, word]) => word !== undefined);
  return given.length === 0 ? file : { ...file, ...(Object.fromEntries(given) as Settings['oci']) };
}

/** What is no access, and no number of hours, is for the schema to refuse. */
function npmSettings(
  file: Settings['npm'],
  access: string | undefined,
  hours: string | undefined,
): Settings['npm'] {
  if (access === undefined && hours === undefined) return file;
  return {
    ...file,
    ...(access === undefined ? {} : { defaultAccess: access as 'public' | 'restricted' }),
    ...(hours === undefined ? {} : { unpublishHours: Number(hours) }),
  };
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const configFields: { readonly [Field in keyof ConfigFile]-?: (value: unknown) => boolean } = {
  data: isText,
  listen: isText,
  publicUrl: isText,
  ecosystems: (value) => Array.isArray(value) && value.every(isText),
  mounts: (value) => isObject(value) && Object.values(value).every(isText),
  x07: isObject,
  npm: isObject,
  oci: isObject,
  ori: isObject,
  corsOrigins: (value) => Array.isArray(value) && value.every(isText),
  registration: isText,
  limits: (value) => isObject(value) && Object.values(value).every(isText),
  trustedProxies: (value) => Array.isArray(value) && value.every(isText),
  accessTokenSeconds: (value) => typeof value === 'number',
  runMaxUploadMb: (value) => typeof value === 'number',
  sigstoreTrustedRoot: isText,
  npmFallback: (value) => isText(value) || typeof value === 'boolean',
  npmFallbackTarballs: isText,
  privateRedirects: (value) => isText(value) || typeof value === 'number',
  storage: isObject,
};

function readConfigFile(path: string): ConfigFile {
  let file: unknown;
  try {
    file = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrong(`--config ${path}: ${(error as Error).message}`);
  }
  if (!isObject(file)) throw wrong(`--config ${path}: it must hold a JSON object`);
  for (const [field, value] of Object.entries(file)) {
    const isRight = Object.entries(configFields).find(([name]) => name === field)?.[1];
    if (!isRight)
      throw wrong(
        `--config ${path}: there is no setting ${field}; there are: ${Object.keys(configFields).join(', ')}`,
      );
    if (!isRight(value)) throw wrong(`--config ${path}: ${field} is not of the right type`);
  }
  return file;
}

function readTrustedRoot(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    const root = readFileSync(path, 'utf8');
    checkTrustedRoot(root);
    return root;
  } catch (error) {
    throw wrong(`the Sigstore trusted root ${path}: ${(error as Error).message}`);
  }
}

function wrong(message: string): RegistryError {
  return new RegistryError('bad-request', message);
}

const registrations: readonly Registration[] = ['closed', 'open', 'invited'];

function parseRegistration(text: string): Registration {
  const known = registrations.find((one) => one === text);
  if (known) return known;
  throw wrong(`--registration ${text}: use one of ${registrations.join(', ')}`);
}

function parseLifetime(said: string | number): number {
  const seconds = typeof said === 'number' || /^\d+$/.test(said) ? Number(said) : NaN;
  const [from, to] = [SHORTEST_LIFETIME_SECONDS, LONGEST_LIFETIME_SECONDS];
  if (Number.isInteger(seconds) && seconds >= from && seconds <= to) return seconds;
  throw wrong(`CAIRN_ACCESS_TOKEN_SECONDS=${said}: use a whole number from ${from} to ${to}`);
}

const BYTES_OF_MB = 1024 * 1024;
const MOST_UPLOAD_MB = 1024 * 1024;

function uploadLimits(run: string | number | undefined): Options['maxUploadBytes'] {
  if (run === undefined) return {};
  const megabytes = /^\d{1,9}$/.test(String(run)) ? Number(run) : 0;
  if (megabytes >= 1 && megabytes <= MOST_UPLOAD_MB) return { run: megabytes * BYTES_OF_MB };
  throw wrong(`CAIRN_RUN_MAX_UPLOAD_MB=${run}: use a whole number from 1 to ${MOST_UPLOAD_MB}`);
}

function parseListen(text: string): { host: string; port: number } {
  const parts = /^(?:(.*):)?(\d{1,5})$/.exec(text);
  const port = Number(parts?.[2]);
  if (!parts || port > 65_535) throw wrong(`--listen ${text}: use HOST:PORT, such as 127.0.0.1:8080`);
  // `:8080` is every address, as other programs have it.
  const host = parts[1] === '' ? '0.0.0.0' : (parts[1] ?? '127.0.0.1');
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
}

function parseFallback(said: string | boolean): NpmFallback['upstream'] {
  const word = String(said).toLowerCase();
  if (word === 'false' || word === 'off') return 'off';
  return word === 'true' ? 'machine' : { url: parseUpstreamUrl(String(said), 'the npm fallback') };
}

const LONGEST_REDIRECT_SECONDS = 3600;

function parseRedirects(said: number | string): Redirects {
  if (said === 'off') return said;
  const seconds = /^\d{1,5}$/.test(String(said)) ? Number(said) : 0;
  if (seconds >= 1 && seconds <= LONGEST_REDIRECT_SECONDS) return { expiresInSeconds: seconds };
  throw wrong(
    `CAIRN_PRIVATE_REDIRECTS=${said}: use off, or a number of seconds up to ${LONGEST_REDIRECT_SECONDS}`,
  );
}

function parseArchives(text: string): NpmFallback['archives'] {
  if (text === 'redirect' || text === 'stream') return text;
  throw wrong(`CAIRN_NPM_FALLBACK_TARBALLS=${text}: use redirect or stream`);
}

export function parsePublicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.pathname !== '/' ||
    url.search ||
    url.hash ||
    url.username
  )
    throw wrong(`the public URL ${text} must be an origin such as https://registry.example, without a path`);
  return url.origin;
}

/** As the environment would say it. */
export function pairsOf(mounts: Readonly<Record<string, string>> | undefined): string | undefined {
  return (
    mounts &&
    Object.entries(mounts)
      .map(([id, path]) => `${id}=${path}`)
      .join(',')
  );
}

/** `x07=/,npm=/npm` */
export function parseMounts(text: string | undefined): Settings['mounts'] | undefined {
  if (text === undefined) return undefined;
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  return Object.fromEntries(
    pairs.map(([id, path, ...rest]) => {
      if (!id || !path?.startsWith('/') || rest.length > 0 || /\/\.\.?(\/|$)/.test(path))
        throw wrong(`mounts ${text}: use SURFACE=/PATH,…`);
      return [id, path === '/' ? path : path.replace(/\/+$/, '')];
    }),
  );
}

/** Surfaces of the listed ecosystems (all when there is no list), each at its own place or its default. */
export function mountsOf(
  list: readonly string[] | undefined,
  places: Settings['mounts'],
): Settings['mounts'] {
  for (const id of list ?? [])
    if (!Object.hasOwn(ecosystems, id))
      throw wrong(`there is no ecosystem ${id}; there are: ${Object.keys(ecosystems).join(', ')}`);
  // What stands below another, or beside it, has no place of its own.
  const placed = allSurfaces.filter(({ below, beside }) => !below && !beside);
  const unknown = Object.keys(places).find((id) => !placed.some((surface) => surface.id === id));
  if (unknown)
    throw wrong(`there is no surface ${unknown}; there are: ${placed.map(({ id }) => id).join(', ')}`);
  const moved = placed.find(
    ({ id, isFixed, defaultMount }) => isFixed && (places[id] ?? defaultMount) !== defaultMount,
  );
  if (moved)
    throw wrong(
      `mounts ${moved.id}=${places[moved.id]}: it can stand at ${moved.defaultMount} only, where its clients look for it`,
    );
  const wanted = placed.filter((surface) => !list || surface.reads.some((id) => list.includes(id)));
  return Object.fromEntries(
    wanted.map((surface) => [surface.id, places[surface.id] ?? surface.defaultMount]),
  );
}
