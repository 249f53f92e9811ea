/** Blobs of one repository: those that its manifests name, and those that were pushed and that none names yet. */
import type { Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { ANYBODY, requireAccess } from './access.ts';
import { bytesOf, empty } from './answers.ts';
import { isNamed, loadContents, namedBlobSize } from './contents.ts';
import { DIGEST_HEADER } from '../oci-files.ts';
import { checkDigest } from './names.ts';

/** The size of a blob in this repository, by what is at hand: see `loadContents`. */
export function blobSizeIn(call: Call, view: StateView, name: string, digest: Digest): number | undefined {
  return call.uploads.held(name, digest)?.size ?? namedBlobSize(view.package('oci', name), digest);
}

/** `{name}/blobs/{digest}`, of private repositories, or one that no manifest names yet */
export async function readMissingBlob(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  await requireAccess(call, view, { name, action: 'pull' });
  const digest = checkDigest(call.params['digest'] ?? '');
  await loadContents(call, view.package('oci', name));
  const size = blobSizeIn(call, view, name, digest);
  if (size === undefined) throw unknownBlob(name, digest);
  return bytesOf(
    { blob: digest, size, ranges: true, mayRedirect: true },
    { 'content-type': 'application/octet-stream', [DIGEST_HEADER]: digest, etag: `"${digest}"` },
  );
}

/** `DELETE {name}/blobs/{digest}`: of one that no manifest names any more */
export async function deleteBlob(call: Call, view: StateView): Promise<Intent> {
  const { name = '' } = call.params;
  const actor = (await requireAccess(call, view, { name, action: 'delete' })) ?? ANYBODY;
  const digest = checkDigest(call.params['digest'] ?? '');
  await loadContents(call, view.package('oci', name));
  requireUnnamed(view, name, digest);
  // From here on no manifest can name it; one that was taken a moment ago is seen when this has its turn.
  if (!(await call.uploads.release(name, digest))) throw unknownBlob(name, digest);
  return {
    actor,
    plan(now) {
      // Also where there was no repository yet: the first manifest may be on its way.
      requireUnnamed(now, name, digest);
      // Of a repository that is none nothing is said.
      return now.package('oci', name)
        ? [{ kind: 'withdraw-artifact', ecosystem: 'oci', name, artifact: digest }]
        : [];
    },
    answer: () => empty(202),
  };
}

function requireUnnamed(view: StateView, name: string, digest: Digest): void {
  if (!isNamed(view.package('oci', name), digest)) return;
  throw new RegistryError('conflict', `a manifest in ${name} names ${digest}: delete that first`, {
    surfaceCode: 'UNSUPPORTED',
  });
}

function unknownBlob(name: string, digest: Digest): RegistryError {
  return new RegistryError('not-found', `there is no blob ${digest} in ${name}`, {
    surfaceCode: 'BLOB_UNKNOWN',
  });
}
