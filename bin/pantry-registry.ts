/**
 * The programmatic interface of Pantry's own server (contract, section 15), so that a program written for it goes on with this
 * one: a registry over a directory, and a server for it. It speaks the same protocol as every client, within the process.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { RegistryError, type ErrorCode } from '../core/errors.ts';
import { providerEndpoint, type StorageProvider } from '../surfaces/pantry/storage-providers.ts';
import { openReader } from './reader.ts';
import { startServer, type RunningServer, type StorageSettings } from './library.ts';

/** Where a registry is kept, and under which address its clients know it. */
export interface PantryRegistryConfig {
  /** URL that clients use, such as `https://registry.example.com`. Recorded at first start. */
  readonly baseUrl: string;
  /**
   * Where blobs and site are: below `localStoragePath` with `local`, the default, or in this bucket. Recorded at first start.
   * Log, keys and counters lie below `localStoragePath` in any case. Credentials are those that the AWS SDK finds.
   */
  readonly s3Bucket?: string | undefined;
  /** Means nothing here: the log takes the place of a database. */
  readonly dynamoTable?: string | undefined;
  /** This and the next three mean nothing while `s3Bucket` is `local`. */
  readonly s3Region?: string | undefined;
  /** Default `aws`. The endpoint of the others follows from it and the region. */
  readonly storageProvider?: StorageProvider | undefined;
  /** Origin of a store of one's own. */
  readonly s3Endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean | undefined;
  /** Asks the npm registry of this machine's configuration for packages that are not here, or the one at this URL. Default `false`. */
  readonly npmFallback?: boolean | string | undefined;
  /** Default `./.registry`. */
  readonly localStoragePath?: string | undefined;
  /**
   * Token that may publish over HTTP; default that of `PANTRY_REGISTRY_TOKEN` or `PANTRY_TOKEN`, else a new one, which
   * `Registry.token` tells. Stored nowhere.
   */
  readonly token?: string | undefined;
}

/** What is known of a version. Absent values are left out. */
export interface PantryPackageMetadata {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly repository?: string;
  readonly homepage?: string;
  readonly license?: string;
  readonly author?: string;
  readonly keywords?: readonly string[];
  readonly tarballUrl?: string;
  /** `sha256:` or, of another registry's package, `sha1:`, and hex. */
  readonly checksum?: string;
  readonly publishedAt?: string;
}

export interface PantrySearchResult {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly author?: string;
  readonly downloads: number;
}

/** A package of one commit. */
export interface PantryCommitPackage {
  readonly name: string;
  readonly sha: string;
  readonly tarballUrl: string;
  readonly checksum: string;
  readonly publishedAt: string;
  readonly repository?: string;
  readonly packageDir?: string;
  readonly version?: string;
  readonly size: number;
  readonly publishedBy?: string;
}

export interface PantryCommit {
  readonly sha: string;
  readonly repository?: string;
  readonly publishedAt: string;
  readonly packages: readonly PantryCommitPackage[];
}

/** Where its requests go while nobody has started a server for it. */
const ANY_PORT = '127.0.0.1:0';

/**
 * A registry of npm and Zig packages with Pantry's API. Opens at the first call; one process at a time may have a directory.
 * Lookups give null, lists are empty, where there is nothing; what is refused throws a `RegistryError`.
 */
export class Registry {
  /** May publish over HTTP as the account `admin`. */
  readonly token: string;
  readonly #config: PantryRegistryConfig;
  readonly #storage: StorageSettings | undefined;
  #server: Promise<RunningServer> | undefined;

  /** @throws RegistryError `bad-request` for a base URL, or a storage provider, that is none. */
  constructor(config: PantryRegistryConfig) {
    const { baseUrl, token } = config;
    if (!URL.canParse(baseUrl))
      throw new RegistryError(
        'bad-request',
        `baseUrl ${baseUrl} is not a URL such as https://registry.example`,
      );
    this.#config = config;
    this.#storage = storageOf(config);
    const ofEnvironment = process.env['PANTRY_REGISTRY_TOKEN'] ?? process.env['PANTRY_TOKEN'];
    this.token = token ?? (ofEnvironment?.trim() || randomBytes(32).toString('hex'));
  }

  /** The latest version, or this one. */
  async getPackage(name: string, version?: string): Promise<PantryPackageMetadata | null> {
    return this.#find(
      `packages/${encodeURIComponent(name)}${version === undefined ? '' : `/${encodeURIComponent(version)}`}`,
    );
  }

  /** The highest first. */
  async listVersions(name: string): Promise<string[]> {
    const found = await this.#find<{ versions: string[] }>(`packages/${encodeURIComponent(name)}/versions`);
    return found?.versions ?? [];
  }

  async search(query: string, limit = 20): Promise<PantrySearchResult[]> {
    const asked = new URLSearchParams({ q: query, limit: String(limit) });
    const found = await this.#find<{ results: PantrySearchResult[] }>(`search?${asked.toString()}`);
    return found?.results ?? [];
  }

  async downloadTarball(name: string, version: string): Promise<ArrayBuffer | null> {
    return this.#bytes(`packages/${encodeURIComponent(name)}/${encodeURIComponent(version)}/tarball`);
  }

  /** @throws RegistryError also `version-exists`: what is published never changes. */
  async publish(
    metadata: PantryPackageMetadata,
    tarball: ArrayBuffer | Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const form = new FormData();
    form.set('metadata', JSON.stringify(metadata));
    form.set('tarball', new Blob([tarball]), 'package.tgz');
    await this.#post('publish', form);
  }

  async exists(name: string, version: string): Promise<boolean> {
    return (await this.getPackage(name, version)) !== null;
  }

  /** Publishes a package of a commit for 90 days, in the place of what was there. */
  async publishCommit(
    name: string,
    sha: string,
    tarball: ArrayBuffer | Uint8Array<ArrayBuffer>,
    { repository, packageDir, version }: { repository?: string; packageDir?: string; version?: string } = {},
  ): Promise<PantryCommitPackage> {
    const form = new FormData();
    form.set('metadata', JSON.stringify({ sha, repository, packages: [{ name, packageDir, version }] }));
    form.set(`package:${name}`, new Blob([tarball]), 'package.tgz');
    await this.#post('publish/commit', form);
    const published = await this.getCommitPackage(sha, name);
    if (!published)
      throw new RegistryError('storage-failed', `${name} of ${sha} is accepted, and cannot be read yet`);
    return published;
  }

  /** By the whole hash of the commit, or its beginning. */
  async getCommitPackage(sha: string, name: string): Promise<PantryCommitPackage | null> {
    return this.#find(`commits/${encodeURIComponent(sha.toLowerCase())}/${encodeURIComponent(name)}`);
  }

  async downloadCommitTarball(sha: string, name: string): Promise<ArrayBuffer | null> {
    return this.#bytes(
      `commits/${encodeURIComponent(sha.toLowerCase())}/${encodeURIComponent(name)}/tarball`,
    );
  }

  /** All packages of a commit, by its whole hash. */
  async getCommitPackages(sha: string): Promise<PantryCommit | null> {
    return this.#find(`commits/${encodeURIComponent(sha.toLowerCase())}`);
  }

  /** The newest first. */
  async getPackageCommits(name: string, limit = 20): Promise<PantryCommitPackage[]> {
    await this.#open();
    const reader = await openReader(this.#directory);
    try {
      const refs = [...(reader.package('npm', name)?.refs ?? [])].filter(([ref]) =>
        ref.startsWith('commit:'),
      );
      const newest = refs.sort(([, a], [, b]) => (a.setAt < b.setAt ? 1 : -1)).slice(0, limit);
      const found = await Promise.all(
        newest.map(([ref]) => this.getCommitPackage(ref.slice('commit:'.length), name)),
      );
      return found.filter((one) => one !== null);
    } finally {
      await reader.close();
    }
  }

  /**
   * Takes requests at `HOST:PORT` from here on. Safe to repeat, also with another address.
   * @throws RegistryError `conflict` when the address is taken, or the directory was made for another base URL.
   */
  async listen(address: string): Promise<RunningServer> {
    await this.close();
    return this.#open(address);
  }

  /** Accepted writes finish, then everything is closed. The next call opens it again. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.then(
      (running) => running.stop(),
      () => undefined,
    );
  }

  get #directory(): string {
    return resolve(this.#config.localStoragePath ?? '.registry');
  }

  #open(listen = ANY_PORT): Promise<RunningServer> {
    const { baseUrl, npmFallback = false } = this.#config;
    const { origin, pathname } = new URL(baseUrl);
    this.#server ??= startServer({
      dataDirectory: this.#directory,
      listen,
      publicUrl: origin,
      ecosystems: ['npm', 'zig'],
      mounts: { pantry: pathname === '/' ? '/' : pathname.replace(/\/+$/, '') },
      npmFallback,
      storage: this.#storage,
      administratorToken: this.token,
    });
    // Whoever tries again gets another try.
    this.#server.catch(() => (this.#server = undefined));
    return this.#server;
  }

  async #fetch(path: string, init?: RequestInit): Promise<Response> {
    const { url } = await this.#open();
    const { pathname } = new URL(this.#config.baseUrl);
    return fetch(`${url}${pathname.replace(/\/+$/, '')}/${path}`, init);
  }

  async #find<T>(path: string): Promise<T | null> {
    const response = await this.#fetch(path, { headers: { accept: 'application/json' } });
    if (response.status === 404 || response.status === 400) {
      await response.body?.cancel();
      return null;
    }
    return (await this.#read(response).then((answer) => answer.json())) as T;
  }

  async #bytes(path: string): Promise<ArrayBuffer | null> {
    const response = await this.#fetch(path);
    if (response.ok) return response.arrayBuffer();
    await response.body?.cancel();
    return null;
  }

  async #post(path: string, body: FormData): Promise<void> {
    const headers = { authorization: `Bearer ${this.token}` };
    await this.#read(await this.#fetch(path, { method: 'POST', headers, body })).then((answer) =>
      answer.text(),
    );
  }

  /** @throws RegistryError in the words of the refusal. */
  async #read(response: Response): Promise<Response> {
    if (response.ok) return response;
    const { error } = (await response.json()) as { error: string };
    throw new RegistryError(codes[response.status] ?? 'internal', error);
  }
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'bad-request',
  401: 'not-owner',
  409: 'version-exists',
  413: 'too-large',
  502: 'upstream-failed',
  503: 'shutting-down',
  504: 'upstream-slow',
};

function storageOf(config: PantryRegistryConfig): StorageSettings | undefined {
  const { s3Bucket = 'local', s3Region: region, s3Endpoint, storageProvider, forcePathStyle } = config;
  if (s3Bucket === 'local') return undefined;
  return {
    bucket: `s3://${s3Bucket}`,
    endpoint: s3Endpoint ?? providerEndpoint(storageProvider, region),
    region,
    pathStyle: forcePathStyle,
  };
}

/** A registry with blobs and site in a bucket, unless `s3Bucket` is `local`. `region` is what `s3Region` is. */
export function createProductionRegistry({
  region,
  ...config
}: PantryRegistryConfig & { readonly region?: string | undefined }): Registry {
  return new Registry({ ...config, s3Region: config.s3Region ?? region });
}

/** A registry for development in `./.registry`, which falls back to npm. */
export function createLocalRegistry(baseUrl = 'http://localhost:3000'): Registry {
  return new Registry({ s3Bucket: 'local', dynamoTable: 'local', baseUrl, npmFallback: true });
}

/** A server for a registry, on every address of this machine. Nothing happens before `start`. */
export function createServer(
  registry: Registry,
  port = 3000,
): { start(): Promise<RunningServer>; stop(): Promise<void> } {
  return { start: () => registry.listen(`:${port}`), stop: () => registry.close() };
}
