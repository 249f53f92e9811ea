/** Pushing a blob: one request, or a conversation (contract, section 4). */
import type { Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Upload } from '../../core/ports.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { identify, mayDo, requireAccess, withGranted } from './access.ts';
import { empty, locationOf } from './answers.ts';
import { blobSizeIn } from './blobs.ts';
import { loadContents } from './contents.ts';
import { checkDigest, digestIn, rules } from './names.ts';
import { DIGEST_HEADER } from '../oci-files.ts';

/** Layers have no limit of their own: the disk has. */
const maxBytes = Number.MAX_SAFE_INTEGER;

/** `POST {name}/blobs/uploads/`: begins a conversation, or takes the blob at once, or from another repository. */
export async function startUpload(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  const actor = await requireAccess(call, view, { name, action: 'push' });
  const mount = call.query.get('mount');
  const mounted = mount === null ? undefined : await mountBlob(call, view, name, mount);
  if (mounted) return taken(call, name, mounted);
  const digest = call.query.get('digest');
  if (digest !== null) {
    const wanted = checkDigest(digest);
    const { length } = chunkOf(call);
    await call.uploads.receive(name, wanted, bodyOf(call), { maxBytes, ...lengthOf(length) });
    return taken(call, name, wanted);
  }
  return standing(call, 202, await call.uploads.start(name, actor?.handle ?? ''));
}

/** `PATCH {name}/blobs/uploads/{id}` */
export async function appendUpload(call: Call, view: StateView): Promise<HttpAnswer> {
  const upload = await requireUpload(call, view);
  return standing(call, 202, await append(call, upload));
}

/** `PUT {name}/blobs/uploads/{id}?digest=…`: what comes with it is the last of it, or all. */
export async function finishUpload(call: Call, view: StateView): Promise<HttpAnswer> {
  const upload = await requireUpload(call, view);
  const digest = checkDigest(call.query.get('digest') ?? '');
  if (bringsBody(call)) await append(call, upload);
  await inTurn(call, upload, () => call.uploads.finish(upload.id, digest));
  return taken(call, upload.place, digest);
}

/** `GET {name}/blobs/uploads/{id}` */
export async function showUpload(call: Call, view: StateView): Promise<HttpAnswer> {
  return standing(call, 204, await requireUpload(call, view));
}

/** `DELETE {name}/blobs/uploads/{id}` */
export async function cancelUpload(call: Call, view: StateView): Promise<HttpAnswer> {
  const { id } = await requireUpload(call, view);
  await call.uploads.cancel(id);
  return empty(204);
}

async function append(call: Call, upload: Upload): Promise<Upload> {
  const { at, length } = chunkOf(call);
  return inTurn(call, upload, () =>
    call.uploads.append(upload.id, bodyOf(call), {
      maxBytes,
      ...(at === undefined ? {} : { at }),
      ...lengthOf(length),
    }),
  );
}

/** @throws RegistryError `upload-out-of-order`, also while another request works on it, and then says where it stands */
async function inTurn<T>(call: Call, upload: Upload, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RegistryError) || !isOfTurn(error)) throw error;
    // A client that is told where it stands can go on from there.
    const stands = call.uploads.find(upload.id) ?? upload;
    throw new RegistryError('upload-out-of-order', error.message, {
      cause: error,
      headers: headersOf(call, stands),
    });
  }
}

function isOfTurn({ code }: RegistryError): boolean {
  return code === 'upload-out-of-order' || code === 'conflict';
}

/** Of this repository: under another it is no upload at all. */
async function requireUpload(call: Call, view: StateView): Promise<Upload> {
  const { name = '', id = '' } = call.params;
  await requireAccess(call, view, { name, action: 'push' });
  const upload = call.uploads.find(id);
  if (upload?.place === name) return upload;
  throw new RegistryError(
    'upload-not-found',
    `there is no such upload in ${name}: it is over, or was given up`,
  );
}

/** A blob that the caller may pull from elsewhere. Undefined where that cannot be: then it is pushed, and no client wonders. */
async function mountBlob(
  call: Call,
  view: StateView,
  name: string,
  text: string,
): Promise<Digest | undefined> {
  const digest = digestIn(text);
  if (!digest) return undefined;
  const from = call.query.get('from');
  for (const source of from === null ? await call.uploads.placesOf(digest) : [from]) {
    if (rules.isName?.(source) === false || !mayPull(call, view, source)) continue;
    await loadContents(call, view.package('oci', source));
    if (blobSizeIn(call, view, source, digest) === undefined) continue;
    await call.uploads.hold(name, digest);
    return digest;
  }
  return undefined;
}

/** A token for a push names the one repository, and clients keep it: what its credential may pull is what counts. */
function mayPull(call: Call, view: StateView, name: string): boolean {
  const caller = identify(call, view);
  const actor = caller && call.access() ? withGranted(caller, ['pull']) : caller;
  return mayDo(actor, view, { name, action: 'pull' });
}

interface Chunk {
  readonly at: number | undefined;
  readonly length: number | undefined;
}

/** `Content-Range: 0-99`, without a unit or a total; both are let pass. */
function chunkOf(call: Call): Chunk {
  const range = call.header('content-range');
  const length = call.header('content-length');
  if (range === undefined)
    return { at: undefined, length: length === undefined ? undefined : Number(length) };
  const [, first, last] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(range.trim()) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first))
    throw new RegistryError('bad-request', `Content-Range: ${range}: use FIRST-LAST, both included`, {
      surfaceCode: 'BLOB_UPLOAD_INVALID',
    });
  return { at: Number(first), length: Number(last) - Number(first) + 1 };
}

function lengthOf(length: number | undefined): { readonly length?: number } {
  return length === undefined ? {} : { length };
}

/** @throws RegistryError `unsupported-media-type` */
function bodyOf(call: Call): AsyncIterable<Uint8Array> {
  // Unpacked it would not be what was announced, and could be a thousand times as long.
  if ((call.header('content-encoding') ?? 'identity') !== 'identity')
    throw new RegistryError('unsupported-media-type', 'send the blob as it is, without a Content-Encoding');
  return call.body({ maxBytes });
}

function bringsBody(call: Call): boolean {
  return Number(call.header('content-length') ?? 0) > 0 || call.header('transfer-encoding') !== undefined;
}

/** The location stays the same for as long as the conversation goes on. */
function standing(call: Call, status: number, upload: Upload): HttpAnswer {
  return empty(status, headersOf(call, upload));
}

function headersOf(call: Call, { id, place, size }: Upload): Readonly<Record<string, string>> {
  return {
    ...locationOf(call.mount, place, `blobs/uploads/${id}`),
    // Also where nothing is stored yet: some clients take its absence for a fault.
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  };
}

function taken(call: Call, name: string, digest: Digest): HttpAnswer {
  return empty(201, { ...locationOf(call.mount, name, `blobs/${digest}`), [DIGEST_HEADER]: digest });
}
