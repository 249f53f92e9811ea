/** One API request, as its handler sees it. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { AccessTokens } from '../core/access-tokens.ts';
import { uuidFrom } from '../core/accounts.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { RegistryError } from '../core/errors.ts';
import { gunzip } from '../core/gunzip.ts';
import { hydrate } from '../core/hydrate.ts';
import type { LogInSessions } from '../core/log-in-sessions.ts';
import type {
  BlobStore,
  Clock,
  Counters,
  Ids,
  Keyring,
  StagedBlob,
  UploadStore,
  Upstream,
} from '../core/ports.ts';
import type { Call, CallAccounts, KeptMeta, RequestHead } from '../core/route.ts';
import type { RouteParams } from '../core/site.ts';
import type { Authenticator, Session } from './auth.ts';
import type { Directory } from './directory.ts';
import { readForm } from './form.ts';

/** Up to this length a manifest stands in its event; a longer one would crowd the 16 KiB of a line. */
const MAX_INLINE_META_BYTES = 8 * 1024;

export interface CallDeps {
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
  readonly auth: Authenticator;
  readonly accounts: CallAccounts;
  readonly accessTokens: AccessTokens;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logIns: LogInSessions;
  readonly ids: Ids;
  readonly sigstoreRoot?: string | undefined;
  readonly upstream?: Upstream | undefined;
  readonly counters: Counters;
}

export interface Matched {
  readonly head: RequestHead;
  readonly mount: string;
  readonly params: RouteParams;
  readonly query: URLSearchParams;
  readonly directory: Directory;
  readonly session: Session;
  /** Whom access tokens are made for; undefined where the surface takes none. */
  readonly audience: string | undefined;
  /** Of one upload; undefined where nobody has said. */
  readonly maxUploadBytes: number | undefined;
}

/** A call, and the way to drop whatever it staged and nobody committed. */
export function openCall(
  request: IncomingMessage,
  { directory, session, audience, ...matched }: Matched,
  deps: CallDeps,
): { call: Call; discard(): Promise<void> } {
  const { blobs, uploads, auth, accounts, accessTokens, keyring, clock, logIns, ids, counters } = deps;
  const staged: StagedBlob[] = [];
  const keep = (blob: StagedBlob): StagedBlob => {
    staged.push(blob);
    return blob;
  };
  const stageText = async (text: string): Promise<StagedBlob> =>
    keep(await blobs.stage(once(Buffer.from(text)), { maxBytes: Infinity }));
  const call: Call = {
    ...matched,
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    now: () => new Date(clock.now()).toISOString(),
    authenticate: () => session.authenticate(),
    access: () => session.access(),
    authenticateAs: (wanted) => session.authenticateAs(wanted),
    async issueToken(wanted) {
      if (audience === undefined) throw new Error('this surface takes no access tokens');
      return accessTokens.issue({ ...wanted, audience });
    },
    accessKeys: () => accessTokens.publicKeys(),
    requireSecondFactor: (code, purpose) => session.requireSecondFactor(code, purpose),
    logIn: (wanted) => session.logIn(wanted),
    async stageBody(limits) {
      const { maxBytes } = limits;
      if (Number(request.headers['content-length'] ?? 0) > maxBytes)
        throw new RegistryError('too-large', `the upload is over the limit of ${maxBytes} bytes`);
      return keep(await blobs.stage(bodyOf(request), limits));
    },
    body: ({ maxBytes }) => decodedBody(request, maxBytes),
    stage: async (source, limits) => keep(await blobs.stage(source, limits)),
    readForm: (limits) =>
      readForm(bodyOf(request), request.headers['content-type'], limits, async (file, maxBytes) =>
        keep(await blobs.stage(file, { maxBytes })),
      ),
    async readJson({ maxBytes }) {
      const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
      if (type !== 'application/json')
        throw new RegistryError('unsupported-media-type', 'send Content-Type: application/json');
      return parseJson(await readText(request, maxBytes));
    },
    async keepMeta(meta): Promise<KeptMeta> {
      const text = canonicalJson(meta);
      if (Buffer.byteLength(text) <= MAX_INLINE_META_BYTES) return { fields: { meta }, blobs: [] };
      const blob = await stageText(text);
      return { fields: { metaDigest: blob.digest }, blobs: [blob] };
    },
    stageText,
    openBlob: (digest, range) => blobs.open(digest, range),
    blobSize: (digest) => blobs.sizeOf(digest),
    readText: async (digest) => Buffer.from(await blobs.read(digest)).toString('utf8'),
    uploads,
    accounts,
    logIns,
    upstream: deps.upstream,
    counters,
    requireBootstrapSecret: () => auth.requireBootstrapSecret(request.headers.authorization),
    hydrate: (of) => hydrate(of, blobs),
    signaturesOf: (view, ecosystem, message) =>
      (view.settings.keys ?? [])
        .filter((key) => key.ecosystem === ecosystem && key.retired !== true)
        .map((key) => ({
          keyId: key.id,
          kind: key.kind,
          value: Buffer.from(keyring.sign(key, Buffer.from(message))).toString('base64'),
        })),
    sigstoreRoot: deps.sigstoreRoot,
    summaries: () => directory.all(),
    newId: () => uuidFrom(ids.next()),
  };
  return {
    call,
    async discard() {
      await Promise.all(staged.map((blob) => blob.discard()));
    },
  };
}

/** Reads without ending the connection when reading stops early: the client has to be able to read the refusal. */
async function* bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    throw new RegistryError('client-closed', 'the client hung up before the upload was complete', {
      cause: error,
    });
  }
}

/** What a client packed is unpacked here, as far as it is let: a bomb ends at the limit. */
async function* decodedBody(request: IncomingMessage, maxBytes: number): AsyncIterable<Uint8Array> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new RegistryError(
      'unsupported-media-type',
      'send the body as it is, or with Content-Encoding: gzip',
    );
  const pieces = encoding === 'gzip' ? unpacked(bodyOf(request)) : bodyOf(request);
  let size = 0;
  for await (const piece of pieces) {
    size += piece.byteLength;
    if (size > maxBytes)
      throw new RegistryError('body-too-large', `the body is over the limit of ${maxBytes} bytes`);
    yield piece;
  }
}

async function* unpacked(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = Readable.from(packed);
  try {
    yield* gunzip(
      source,
      (cause) =>
        new RegistryError('malformed-body', 'the body is not gzip, though its Content-Encoding says so', {
          cause,
        }),
    );
  } finally {
    source.destroy();
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decodedBody(request, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RegistryError('malformed-body', `the body is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
