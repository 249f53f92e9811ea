/**
 * What the core needs from the world. Each port says what it promises; each has a version in memory and one shared
 * contract test that every version passes.
 */
import type { KeyObject } from 'node:crypto';
import type { RegistryKey } from '../schema/types.ts';
import type {
  CategoryReport,
  CountBatch,
  CountEvent,
  DownloadStats,
  RequestedVersion,
  TimelineDay,
} from './count.ts';
import type { Digest, DigestAlgorithm } from './digest.ts';
import type { LogLine, RegistryEvent } from './event.ts';
import type { Opening } from './sealing.ts';
import type { SiteFile } from './site.ts';

export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
}

export interface Ids {
  /** 32 lower-case hex digits, never the same twice. */
  next(): string;
  /** 64 lower-case hex digits that nobody can guess: what tokens are made of. */
  secret(): string;
}

/** Counts requests, in windows of a minute each. */
export interface RequestLimiter {
  /**
   * Counts one request more of `key`, in the window that is open or a new one, and says whether it is within `limit`. Requests
   * that come at once are counted one after another: never more than `limit` of a window are accepted. Bounded in time; where
   * a store that is shared does not answer, this process counts by itself. Does not reject.
   */
  take(key: string, limit: number): Promise<TakenRequest>;
  close(): void;
}

export interface TakenRequest {
  readonly accepted: boolean;
  /** How many more of this window would be accepted. */
  readonly remaining: number;
  readonly endsInMs: number;
}

/** Private halves of the registry's keys. */
export interface Keyring {
  /**
   * Signs with the private half of this key. For `ed25519`: RFC 8032, plain; the same message gives the same signature.
   * For `ecdsa-sha2-nistp256`: over SHA-256, in DER (RFC 3279, section 2.2.3); each signature differs.
   * @throws RegistryError `storage-failed` when the private half is not there, or is another key's.
   */
  sign(key: RegistryKey, message: Uint8Array): Uint8Array;
}

/** A key that signs access tokens: Ed25519. */
export interface AccessKey {
  /** 16 hex digits, never the same twice. */
  readonly id: string;
  readonly madeAtMs: number;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Keys of access tokens, which come and go: `RotatingKeys` says when. One process has them at a time. */
export interface AccessKeys {
  /** The oldest first. */
  readonly all: readonly AccessKey[];
  /** A new one; durable when it returns. After a failure it is not in `all`, and may be after a restart. */
  create(madeAtMs: number): Promise<AccessKey>;
  /** Durable when it returns; a missing one is fine. */
  remove(id: string): Promise<void>;
}

/** An append-only list of events with one writer. Sequence numbers start at 0 and have no gaps. */
export interface EventLog<E extends LogLine> {
  /** How many events this process has seen; the sequence number of the next one. */
  readonly length: number;
  /** Names the whole content up to `length`; equal contents have equal heads. Empty while the log is. */
  readonly head: string;
  /** @throws RangeError beyond `length`. */
  read(seq: number): E;
  /**
   * Durable when it returns, all or nothing. After a failure nothing is acknowledged and the outcome is unknown:
   * `refresh` tells what is there.
   * @throws LogDamage unless the events carry on exactly at `length`.
   */
  append(events: readonly E[]): Promise<void>;
  /** Sees what was appended since, by this process or another. Safe to repeat. @throws LogDamage */
  refresh(): Promise<void>;
  /** Whether what `head` named, in this process or another, is an unchanged beginning of this log. */
  carriesOn(head: string): Promise<boolean>;
  /** Lets the next writer in. */
  close(): Promise<void>;
}

/**
 * The log as those see it who may: where a line is sealed and what it stands for is known here, `read` gives that event.
 * `length` and `head` are the public log's.
 */
export interface RegistryLog extends EventLog<RegistryEvent> {
  /** Events that have a salt are sealed: the public log gets a commitment in their places. As durable as the others. */
  append(events: readonly RegistryEvent[], salts?: ReadonlyMap<number, string>): Promise<void>;
  /** What opens the sealed line at `seq`; undefined when it is not sealed, or cannot be opened here. */
  openingOf(seq: number): Opening | undefined;
}

/** Received bytes that nobody can see yet. Exactly one of `commit` and `discard` ends it; both are safe to repeat. */
export interface StagedBlob {
  readonly digest: Digest;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
  /** Durable and readable under its digest when it returns. */
  commit(): Promise<void>;
  discard(): Promise<void>;
}

export interface StageLimits {
  readonly maxBytes: number;
  /** Of the digest it is stored by; `sha256` unless told. */
  readonly algorithm?: DigestAlgorithm;
}

/** Bytes by the digest of what they are. Nothing in it ever changes. */
export interface BlobStore {
  /**
   * Receives bytes in bounded memory and hashes them.
   * @throws RegistryError `too-large` as soon as more than `maxBytes` arrived; then nothing is left behind.
   */
  stage(source: AsyncIterable<Uint8Array>, limits: StageLimits): Promise<StagedBlob>;
  has(digest: Digest): Promise<boolean>;
  /** In bytes; undefined when it is not there. Synchronous: asked for while a write is decided. */
  sizeOf(digest: Digest): number | undefined;
  /** For small blobs only: the whole content. @throws RegistryError `not-found` */
  read(digest: Digest): Promise<Uint8Array>;
  /** The content, or a part of it that lies within, in pieces. @throws RegistryError `not-found` */
  open(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** The same for whoever is done with each piece before asking for the next: its memory is another's then. */
  lend(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * A URL at which the store itself gives this blob to anybody, for some time: whoever makes one has made sure that the
   * client may have it, and tells nobody else. Absent where no client can reach the store.
   */
  signedUrl?(digest: Digest, expiresInSeconds: number, headers?: SignedHeaders): Promise<string>;
}

/** What the store is to say with a blob that it gives to a client: it knows nothing of what the bytes are. */
export interface SignedHeaders {
  readonly contentType?: string;
  readonly contentDisposition?: string;
}

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A blob that comes in several requests: how far it is. */
export interface Upload {
  /** A UUID that nobody can guess. */
  readonly id: string;
  /** What the blob is for, such as the OCI repository `acme/app`. */
  readonly place: string;
  /** A handle; empty for nobody. */
  readonly by: string;
  /** Bytes that are there. */
  readonly size: number;
  /** When it last changed; milliseconds since 1970. */
  readonly at: number;
}

/** A blob that is in the blob store, and in a place though no event names it there. */
export interface HeldBlob {
  readonly place: string;
  readonly digest: Digest;
  readonly size: number;
  /** Since when, or when it was last held anew; milliseconds since 1970. */
  readonly at: number;
}

/** What may become part of a release, and is none yet. */
export type Pending = ({ readonly kind: 'upload' } & Upload) | ({ readonly kind: 'held' } & HeldBlob);

export interface UploadLimits {
  /** Of the whole blob. */
  readonly maxBytes: number;
  /** How many bytes the client has promised to send now. */
  readonly length?: number | undefined;
}

export interface Expiry {
  /** Milliseconds since 1970: what changed then, or later, stays. */
  readonly beforeMs: number;
  /** Leaves the other kind alone; both unless told. */
  readonly only?: Pending['kind'];
  /** Only tells. */
  readonly dryRun?: boolean;
}

/**
 * Blobs on their way in, over several requests and restarts, and those that no event names yet. Beside the log.
 * A place has no `=`, and can be a segment of a path once its slashes are gone: a TypeError otherwise.
 */
export interface UploadStore {
  /** Durable when it returns. */
  start(place: string, by: string): Promise<Upload>;
  /** As it stands; undefined when there is none of that id. Any text may be asked for. */
  find(id: string): Upload | undefined;
  /**
   * Adds at the end; durable when it returns. `at` is where the client thinks the end is. What a client sent before it
   * hung up is kept, and the error of `source` thrown; what is refused changes nothing.
   * @throws RegistryError `upload-not-found`, also when it was cancelled meanwhile; `conflict` while another request
   * adds to it or finishes it; `upload-out-of-order` when `at` is not the end; `wrong-length`, `too-large`.
   */
  append(
    id: string,
    source: AsyncIterable<Uint8Array>,
    options: UploadLimits & { readonly at?: number | undefined },
  ): Promise<Upload>;
  /**
   * The blob is whole, and is what its digest says: it is in the blob store and held for its place, durably, and the
   * upload is over.
   * @throws RegistryError `digest-mismatch`: then the upload is over as well, and its bytes are gone;
   * `upload-not-found`, also when it was cancelled meanwhile; `conflict` as `append`.
   */
  finish(id: string, digest: Digest): Promise<HeldBlob>;
  /** `start`, `append` and `finish` in one go, with nothing that anybody could come back to. */
  receive(
    place: string,
    digest: Digest,
    source: AsyncIterable<Uint8Array>,
    limits: UploadLimits,
  ): Promise<HeldBlob>;
  /** Durable; also while a request adds to it. @throws RegistryError `upload-not-found` */
  cancel(id: string): Promise<void>;
  /**
   * The blob is in this place from now on; durable when it returns. Safe to repeat: its time begins anew, and that of
   * the blob itself, so that whoever removes old ones sees a fresh one.
   * @throws RegistryError `not-found` when the blob store does not have it.
   */
  hold(place: string, digest: Digest): Promise<HeldBlob>;
  /** Synchronous: asked for while a write is decided. */
  held(place: string, digest: Digest): HeldBlob | undefined;
  /** Every place that holds it, in no order. */
  placesOf(digest: Digest): Promise<readonly string[]>;
  /**
   * Says whether it was held; durable when it returns. `held` knows it from the call on, before anything is waited for.
   */
  release(place: string, digest: Digest): Promise<boolean>;
  /** Everything that is held or on its way. What changes meanwhile may be in it or not. */
  all(): AsyncIterable<Pending>;
  /**
   * Ends uploads that nobody touched since then, and lets go of blobs that have been held since before. Says what it
   * ended, or would; durable when it returns.
   */
  expire(expiry: Expiry): Promise<readonly Pending[]>;
}

/** How far the documents of packages have come; kept beside the files and never served. */
export interface SiteProgress {
  readonly registry: string;
  /** Revision of the code that rendered it; another one renders everything again. */
  readonly revision: number;
  /** The log up to here is on the site. */
  readonly seq: number;
  /** A commit of the log that this site carries on from. */
  readonly head: string;
  /** Events in the log at `head`; not `seq` where the log grew while the site followed it. */
  readonly headSeq: number;
  /** Written before the first file of a step: after a crash exactly this step is derived again. */
  readonly claim?: {
    readonly toSeq: number;
    /** Since when it is ours, where another may have begun it that is slow rather than dead; milliseconds since 1970. */
    readonly inheritedAt?: number;
  };
  /** Steps of others that were inherited: what a late write of theirs has put back is looked for once more. */
  readonly doubts?: readonly Doubt[];
}

/** A step, [from, to), that two may have written. */
export interface Doubt {
  readonly from: number;
  readonly to: number;
  /** Since when; milliseconds since 1970. */
  readonly at: number;
}

/** How far the roots (catalogs) have come; they may lag behind the documents. */
export interface RootsProgress {
  readonly revision: number;
  readonly seq: number;
}

/** How far the files of counts have come, which are no part of the log. */
export interface CountedProgress {
  /** What was counted until then is on the site; milliseconds since 1970. */
  readonly untilMs: number;
}

/** The small records a generator keeps with its site. */
export interface SiteRecords {
  readonly progress: SiteProgress;
  readonly roots: RootsProgress;
  readonly counted: CountedProgress;
}

/**
 * The files that readers see. Where it lies on another machine, whoever was slow for too long finds out before its next write
 * that another carries on: every method that writes may throw `ClaimLost`.
 */
export interface SiteTarget {
  /**
   * Waits for other processes; that part of the site is ours until the returned function is called. Documents and
   * roots are held apart, so that a long catalog never delays a package. On another machine two may hold a part until one of them
   * claims it.
   */
  hold(part: keyof SiteRecords): Promise<() => Promise<void>>;
  /**
   * Before the first write to a part that is held. Others wait from here on, until it is released or has not been heard of for
   * too long. To save a progress that has a claim is to claim. @throws ClaimLost when another was first
   */
  claim(part: keyof SiteRecords): Promise<void>;
  /** As it stands where it can be had for nothing: an older one is found out by the claim. */
  load<K extends keyof SiteRecords>(record: K): Promise<SiteRecords[K] | undefined>;
  /** Durable when it returns. Without a claim in it, the part may be another's from here on. */
  save<K extends keyof SiteRecords>(record: K, value: SiteRecords[K]): Promise<void>;
  /**
   * Each file appears whole or not at all, and none before those of a lower rank; otherwise in any order. Durable when it
   * returns. Equal bytes are left alone.
   */
  put(files: readonly SiteFile[]): Promise<void>;
  /** In any order; durable when it returns. A missing path is fine. */
  remove(paths: readonly string[]): Promise<void>;
  /** The next writes look at what is there, whatever this process thinks it knows of it. */
  forget(): void;
  /** The text of a file that is there, in pieces; nothing when it is missing. */
  read(path: string): AsyncIterable<string>;
  /** Starts a whole new site beside this one. Both parts must be held until it ends. */
  rebuild(): Promise<SiteBuild>;
}

/** A whole site in the making. Readers see nothing of it until `finish`. */
export interface SiteBuild {
  add(file: SiteFile): void;
  /** For files whose bodies are streams, or that readers must not see before all others: the roots. */
  addRoot(file: SiteFile): Promise<void>;
  /** The text of a root that was added as a stream; other files may not be there yet. */
  read(path: string): AsyncIterable<string>;
  /**
   * The site is what was added, and nothing else but what lies outside the log; durable when it returns. Files that did not
   * change stay as they are.
   */
  finish(records: Pick<SiteRecords, 'progress' | 'roots'>): Promise<void>;
  abandon(): Promise<void>;
}

/**
 * Counts of downloads and installs, beside the log. Nothing waits for them: to count is to add in memory, it never
 * fails, and what was counted in the last two seconds may be lost.
 */
export interface Counters {
  /** One event, now. Names and versions were checked by then (`core/count.ts`). */
  count(event: CountEvent): void;
  /** Somebody asked for a version of this name that is not here. */
  countMissing(name: string, version: string): void;
  /**
   * What another log says, such as a CDN's. All of it is taken or, when this much of its source was taken before,
   * nothing; a crash parts neither the counts from the position. So a reader of logs starts again wherever
   * `takenUpTo` says, after whatever happened, and each line counts once.
   * @returns whether it was taken. @throws RangeError, having taken nothing, unless its numbers are whole ones.
   */
  add(batch: CountBatch): boolean;
  takenUpTo(source: string): number | undefined;
  /** How many counts were let go of, at least in part, because too many names are not ours. */
  readonly dropped: number;

  /** By all-time downloads, then by name; names without a download are left out. */
  top(limit: number): readonly { readonly name: string; readonly downloads: number }[];
  /** Names of this registry that were downloaded since then. */
  downloadedSince(ms: number): Iterable<string>;
  /** Undefined before the first download. */
  statsOf(name: string): DownloadStats | undefined;
  /** Downloads of the last days, the oldest first and today last. @throws RangeError beyond the days that are kept. */
  timeline(name: string, days: number): readonly TimelineDay[];
  /** Missing versions, the most wanted first. `isKnown`: whether one is there by now. */
  requestedVersions(
    name: string,
    limit: number,
    isKnown?: (version: string) => boolean,
  ): readonly RequestedVersion[];
  /** Every name that was counted in these days. @throws RangeError beyond the days that are kept. */
  categoryReport(category: CategoryReport['category'], days: number): CategoryReport;
}

/** A file of the site as it stood when it was looked for. */
export interface FoundFile {
  readonly size: number;
  /** Differs whenever the bytes differ. */
  readonly version: string;
  /** Of the bytes, where whoever wrote them has left it with the file. */
  readonly digest?: string | undefined;
  /** Its bytes are held for as long as it is itself. */
  readonly inMemory?: boolean;
  /** All of it. Where `find` answers later: of files up to `READ_AT_ONCE_BYTES`, and a TypeError for longer ones. */
  read(): Uint8Array;
  /** A part that lies within, in pieces: each stands until the next is asked for, and then its memory is another's. */
  lend(range: ByteRange): AsyncIterable<Uint8Array>;
}

/** What is longer is never held in memory as a whole. */
export const READ_AT_ONCE_BYTES = 1024 * 1024;

/** The read side of a site. */
export interface SiteReader {
  /**
   * Looks at the path as it is now. Synchronous for a directory: a look-up is one system call, and the thread pool would
   * cost more than the call. Where it goes over a network the answer comes later.
   * @param known what was found at this path before: it is what returns for as long as it is still there.
   * @throws RegistryError `storage-unavailable`, later, when nobody can tell what is there.
   */
  find(path: string, known?: FoundFile): FoundFile | undefined | Promise<FoundFile | undefined>;
}

/** Another registry, asked for what is not ours. What it says is hostile until the ecosystem has made sense of it. */
export interface Upstream {
  /** Names are asked for below it; without a final slash. */
  readonly url: string;
  /** Whether clients fetch archives there themselves, or through us. */
  readonly archives: 'redirect' | 'stream';
  /**
   * Asks for one thing, with nothing of the client in the request. Bounded in time, in size and in how many are under
   * way at once; bodies are decoded.
   * @throws RegistryError `upstream-failed` or `upstream-slow`; the body throws them too.
   */
  get(ask: UpstreamAsk): Promise<UpstreamAnswer>;
  /**
   * The whole URL of what `UpstreamAsk.at` says, for clients to go to themselves.
   * @throws RegistryError `upstream-failed` for an address that nobody should be sent to.
   */
  locate(at: string): string;
}

export interface UpstreamAsk {
  /** Percent-encoded, below `url`, without a leading slash; or a whole URL that the upstream itself has given. */
  readonly at: string;
  readonly kind: 'document' | 'archive';
  readonly accept: string;
  /** What the upstream once said of a content that is known already. */
  readonly ifNoneMatch?: string | undefined;
  /** How many registries have handed this request on before us. */
  readonly hops: number;
}

export type UpstreamAnswer =
  | {
      readonly found: true;
      readonly contentType: string | undefined;
      readonly etag: string | undefined;
      /** How many bytes will come, where that is known before; fewer or more make the body throw. */
      readonly size: number | undefined;
      /** Must be read to its end, or closed by `return`: it holds a connection. Can be read once. */
      readonly body: AsyncIterableIterator<Uint8Array>;
    }
  | { readonly found: false; readonly because: 'missing' | 'unchanged' };
