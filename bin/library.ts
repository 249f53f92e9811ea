/**
 * Cairn for programs: what `import { … } from 'cairn'` gives. Everything the command line can do to a registry as a whole,
 * as functions that return data, print nothing and never end the process.
 *
 * Paths are taken as the process finds them, times are ISO 8601 in UTC, sizes are bytes. Expected failures are
 * `RegistryError` with a `code` that never changes meaning; `LogDamage` means that a person has to look before
 * anything is written again; any other error is the system's (a full disk) or a bug.
 *
 * @packageDocumentation
 */
import type { Scope, TokenLimit } from '../core/permission.ts';
import type { EcosystemId, Settings } from '../schema/types.ts';
import { asSettings } from '../schema/validate.ts';
import { requireRegistry, withControl } from './control.ts';
import { readRegistry } from './open-registry.ts';
import { pairsOf, readOptions } from './options.ts';
import { siteRoot } from './regen.ts';
import { bringUp, check } from './regen-from-log.ts';
import { serve } from './serve.ts';

export type { Json } from '../core/canonical-json.ts';
export {
  LogDamage,
  RegistryError,
  Unreachable,
  type ErrorCode,
  type RegistryErrorOptions,
} from '../core/errors.ts';
export { SchemaViolation } from '../schema/validate.ts';
export { LockHeld, type LockOwner } from '../stores/writer-lock.ts';
export { openReader, type RegistryReader } from './reader.ts';
export { S3Storage, type S3StoragePlace } from './pantry-storage.ts';
export {
  createLocalRegistry,
  createProductionRegistry,
  createServer,
  Registry,
  type PantryCommit,
  type PantryCommitPackage,
  type PantryPackageMetadata,
  type PantryRegistryConfig,
  type PantrySearchResult,
} from './pantry-registry.ts';
export type { StorageProvider } from '../surfaces/pantry/storage-providers.ts';
export type * from '../schema/types.ts';
export type {
  Deprecation,
  EndedTransfer,
  FiledAdvisory,
  Namespace,
  Ownership,
  Package,
  Readme,
  Ref,
  Release,
  TransferOffer,
} from '../core/package.ts';

/** What a server needs to know. Only `dataDirectory` has to be said; the environment is not asked. */
export interface ServerSettings {
  /** Where log, blobs and site are kept; made at first start. One server at a time may have it. */
  readonly dataDirectory: string;
  /** `HOST:PORT`; port 0 takes any free one. Default `127.0.0.1:8080`. */
  readonly listen?: string | undefined;
  /** Origin that clients use, such as `https://registry.example`. Recorded at first start; default where it listens. */
  readonly publicUrl?: string | undefined;
  /** Which ecosystems it serves. Recorded at first start; default all. */
  readonly ecosystems?: readonly EcosystemId[] | undefined;
  /** Path by surface, such as `{ x07: '/' }`. Recorded at first start; default `/` and the surface's name. */
  readonly mounts?: Settings['mounts'] | undefined;
  /** Settings of the X07 surface. Recorded at first start. */
  readonly x07?: Settings['x07'] | undefined;
  /** Settings of the npm surface. Recorded at first start. */
  readonly npm?: Settings['npm'] | undefined;
  /** Settings of the OCI surface. Recorded at first start. */
  readonly oci?: Settings['oci'] | undefined;
  readonly ori?: Settings['ori'] | undefined;
  /**
   * Asks another registry for npm packages that are not here: the one at this URL, or, with `true`, the one that npm's
   * configuration on this machine names. Default `false`: a program that says nothing reaches nobody.
   */
  readonly npmFallback?: boolean | string | undefined;
  /** Where blobs and site are to be, where that is a bucket. Recorded at first start; default below `dataDirectory`. */
  readonly storage?: StorageSettings | undefined;
  /** A token of the account `admin` with every scope, good while this server runs and stored nowhere. */
  readonly administratorToken?: string | undefined;
  /** Who may make an account without the operator; default `closed`. Not recorded. */
  readonly registration?: 'closed' | 'open' | 'invited' | undefined;
  /** How long an access token is good, from 60 to 3600; default 300. Not recorded. */
  readonly accessTokenSeconds?: number | undefined;
  /** Requests a minute by surface, such as `{ npm: '1000/100', x07: 'off' }`, where another number than the surface's own is wanted. Not recorded. */
  readonly limits?: Readonly<Record<string, string>> | undefined;
  /** Where several processes count requests together, such as `redis://127.0.0.1:6379`; default each by itself. */
  readonly limitsRedis?: string | undefined;
  /** Networks of the proxies before this server, which are believed about where a request comes from; default none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Tokens for a namespace or an ecosystem, by place, such as `{ 'npm/@acme': TOKEN }`; good while this server runs and stored nowhere. */
  readonly tokens?: Readonly<Record<string, string>> | undefined;
  /**
   * Gets, line by line, what `cairn serve` prints at its start. Without any token (`administratorToken`, or one of
   * `createToken`) a first start makes one for an administrator, and tells it here once and nowhere else.
   */
  readonly say?: ((line: string) => void) | undefined;
}

/**
 * A bucket of AWS, or of another store that speaks S3. Credentials are those that the AWS SDK finds, such as
 * `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
 */
export interface StorageSettings {
  /** `s3://BUCKET` or `s3://BUCKET/PREFIX`: blobs lie below it as `blobs`, which nobody but the registry may read, the site as `site`. */
  readonly bucket: string;
  /** Origin of the store; that of the region at AWS when undefined. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle?: boolean | undefined;
}

/** A server that takes requests. */
export interface RunningServer {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Accepted writes finish (30 seconds at most), new ones get 503, then everything is closed. Safe to repeat. */
  stop(): Promise<void>;
}

/**
 * Starts API and site over a data directory, in this process; creates the registry at first start. It takes requests
 * when the promise resolves. Its log goes to standard error as JSON lines; `CAIRN_LOG_LEVEL` sets how much.
 *
 * @example
 * ```ts
 * const server = await startServer({ dataDirectory: './data', listen: '127.0.0.1:0', administratorToken: 'secret' });
 * console.log(server.url);
 * await server.stop();
 * ```
 * @throws RegistryError `bad-request` or SchemaViolation when a setting cannot be understood; `conflict` when the
 * address is taken, or the registry was created with other settings.
 * @throws LockHeld when another living process writes to this registry.
 * @throws LogDamage when the log is not what it must be.
 */
export async function startServer(settings: ServerSettings): Promise<RunningServer> {
  const { dataDirectory, ecosystems, mounts, x07, npm, oci, ori, say = () => undefined } = settings;
  // Before anything is made of it.
  asSettings({
    publicUrl: 'http://localhost',
    mounts: {},
    ...(x07 ? { x07 } : {}),
    ...(npm ? { npm } : {}),
    ...(oci ? { oci } : {}),
    ...(ori ? { ori } : {}),
  });
  const { listen, publicUrl, registration } = settings;
  const flags = definedOf({ data: dataDirectory, listen, publicUrl, registration });
  const options = readOptions(flags, {
    CAIRN_ECOSYSTEMS: ecosystems?.join(','),
    CAIRN_MOUNTS: pairsOf(mounts),
    CAIRN_NPM_FALLBACK: String(settings.npmFallback ?? false),
    CAIRN_BUCKET: settings.storage?.bucket,
    CAIRN_S3_ENDPOINT: settings.storage?.endpoint,
    CAIRN_S3_REGION: settings.storage?.region,
    CAIRN_S3_PATH_STYLE: settings.storage?.pathStyle?.toString(),
    CAIRN_ADMIN_TOKEN: settings.administratorToken,
    CAIRN_ACCESS_TOKEN_SECONDS: settings.accessTokenSeconds?.toString(),
    CAIRN_LIMITS: pairsOf(settings.limits),
    CAIRN_LIMITS_REDIS: settings.limitsRedis,
    CAIRN_TRUSTED_PROXIES: settings.trustedProxies?.join(','),
    CAIRN_TOKENS: Object.entries(settings.tokens ?? {})
      .map(([place, token]) => `${place}:${token}`)
      .join(','),
  });
  return serve({ ...options, said: { ...options.said, x07, npm, oci, ori } }, say);
}

function definedOf<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Which site to bring up to the log, and how thoroughly. */
export interface RegenerateOptions {
  readonly dataDirectory: string;
  /** Write the site to this directory instead of the registry's own. */
  readonly out?: string | undefined;
  /** Render everything again, also what is up to date. */
  readonly full?: boolean | undefined;
  /** Take the log as it is, also when the site was made of another history. */
  readonly acceptLog?: boolean | undefined;
}

/**
 * Brings a site up to its log, or makes it from nothing. Safe to repeat, beside a running server and beside itself; with
 * nothing to do it ends at once. Every file is durable when the promise resolves.
 *
 * @returns where the site is, and how many events it stands for.
 * @throws RegistryError `not-found` where no registry has been started yet.
 * @throws LogDamage when the log is damaged, or does not carry on from what the site was made of.
 */
export async function regenerate(options: RegenerateOptions): Promise<{ root: string; events: number }> {
  const { dataDirectory, out, full = false, acceptLog = false } = options;
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    const root = siteRoot(dataDirectory, out);
    return {
      root,
      events: await bringUp((await registry.generatorFor(root)).generator, { full, acceptLog }),
    };
  } finally {
    await registry.close();
  }
}

/** How a site differs from what its log gives; paths below its root, in order. */
export interface SiteCheck {
  /** How many events the site was compared with. */
  readonly events: number;
  /** Whether there is no difference. */
  readonly clean: boolean;
  /** Should be there, and is not. */
  readonly missing: readonly string[];
  /** Has other bytes than it should. */
  readonly different: readonly string[];
  /** Is there, and should not be. */
  readonly extra: readonly string[];
}

/**
 * Makes the site aside, from the log alone, and compares every byte. Changes nothing; needs room for a second copy of
 * the documents. Beside a running server it waits for what that is about to bring, and compares anew what has changed meanwhile.
 *
 * @throws RegistryError `not-found` where no registry has been started yet.
 * @throws LogDamage when the log is not what it must be.
 */
export async function checkSite(options: {
  readonly dataDirectory: string;
  /** The site to look at; default the registry's own. */
  readonly out?: string | undefined;
}): Promise<SiteCheck> {
  const { dataDirectory, out } = options;
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    return await check(dataDirectory, registry, siteRoot(dataDirectory, out));
  } finally {
    await registry.close();
  }
}

/** What a token shall be good for. */
export interface TokenSettings {
  readonly dataDirectory: string;
  /** The account it acts for; created when it is new. */
  readonly handle: string;
  /** Default `publish`. */
  readonly scopes?: readonly Scope[] | undefined;
  /** The holder's own name for it. */
  readonly label?: string | undefined;
  /** The places it is good for; default all. */
  readonly limits?: readonly TokenLimit[] | undefined;
  /** When it ends, ISO 8601 in UTC; default never. */
  readonly expiresAt?: string | undefined;
}

/**
 * Creates a token, through the running server when there is one. It works at once, and is stored only as a hash.
 *
 * @returns the token itself, this once, and the id that revokes it.
 * @throws RegistryError `not-found` where no registry has been started yet; `bad-request` for an impossible handle.
 * @throws Unreachable when the process that holds the log does not answer within 5 seconds.
 */
export async function createToken(settings: TokenSettings): Promise<{ token: string; tokenId: string }> {
  const { dataDirectory, handle, scopes = ['publish'], label = '', limits, expiresAt } = settings;
  const wanted = { handle, scopes, label, ...definedOf({ limits, expiresAt }) };
  const { token, record } = await withControl(dataDirectory, (control) => control.createToken(wanted));
  return { token, tokenId: record.tokenId };
}
