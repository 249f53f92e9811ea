/** `POST v1/packages/{scope}/{name}/publish` (contract, section 5). The archive is the only source of what is said of it. */
import { holderOf, mayWrite } from '../../core/access.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Release } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Form, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { quote } from '../quote.ts';
import { json } from './answers.ts';
import { MAX_ARCHIVE_BYTES, readArchive } from './archive.ts';
import { badChecksum } from './bad.ts';
import { splitLockKey, type Lock } from './lock.ts';
import { checkNewName, isPrerelease, nameIn, rules, scopeOf } from './names.ts';
import { requirePermission } from './permissions.ts';
import { archiveOf, publishedObject, type OriMeta } from './releases.ts';

/** What the file may be called in the form: upstream does not say. */
const fileNames = ['archive', 'package', 'file'] as const;
const MAX_TEXT_BYTES = 64 * 1024;

export async function publish(call: Call, view: StateView): Promise<Intent> {
  const actor = requirePermission(call, 'publish');
  const name = nameIn(call.params);
  requireMayPublish(actor, name, view);
  const { archive, checksum } = await readUpload(call);
  checkNewName(name);
  if (checksum !== undefined && checksum !== archive.digest)
    throw badChecksum(`the archive that arrived has the checksum ${archive.digest}, not ${checksum}`);
  const { manifest, lock } = await readArchive(archive);
  const { name: said, version, ...shown } = manifest;
  if (said !== name)
    throw new RegistryError(
      'invalid-name',
      `the manifest is that of ${quote(said)}, the path that of ${name}`,
      {
        surfaceCode: 'name_mismatch',
      },
    );
  requireAllowed(version, view);
  const meta = await call.keepMeta({ ...shown, lock } satisfies OriMeta);
  const { digest, size } = archive;
  let known: Release | undefined;
  return {
    actor,
    blobs: [archive, ...meta.blobs],
    plan(current) {
      known = current.package('ori', name)?.releases.get(version);
      // The answer was lost, and the client sends the same once more.
      if (known && isSame(known, digest, actor)) return [];
      if (known) throw versionExists(name, known);
      requireSameLock(lock, current);
      return [
        {
          kind: 'publish',
          ecosystem: 'ori',
          name,
          version,
          artifacts: [{ role: 'archive', digest, size, mediaType: 'application/gzip' }],
          ...meta.fields,
        },
      ];
    },
    answer(events, visibility) {
      const published = events.find(({ kind }) => kind === 'published');
      const at = published?.at ?? known?.publishedAt ?? '';
      return json(published ? 201 : 200, publishedObject(name, version, { digest, size }, at), visibility);
    },
  };
}

/**
 * Before the upload is read. What nobody has yet is whoever's comes first.
 * @throws RegistryError `not-owner`
 */
function requireMayPublish(actor: Actor, name: string, view: StateView): void {
  const holders = { package: view.package('ori', name), namespace: view.namespace('ori', scopeOf(name)) };
  if (!holderOf(holders, rules) || mayWrite(actor, holders, rules)) return;
  throw new RegistryError(
    'not-owner',
    holders.package
      ? `${name} is not yours`
      : `${scopeOf(name)} is not yours: only its owners add packages to it`,
  );
}

interface FormOfUpload {
  readonly archive: StagedBlob;
  readonly checksum: string | undefined;
}

/** @throws RegistryError `too-large`, `bad-request` and what is said of forms that are none */
async function readUpload(call: Call): Promise<FormOfUpload> {
  const form = await call.readForm({
    maxFileBytes: MAX_ARCHIVE_BYTES,
    maxFiles: 8,
    maxTextBytes: MAX_TEXT_BYTES,
    tooLarge: (field) =>
      new RegistryError('too-large', `${quote(field)} is over the limit of ${MAX_ARCHIVE_BYTES} bytes`),
  });
  const archive = archiveIn(form);
  if (!archive)
    throw new RegistryError('bad-request', 'the form has no file: send the .oripk as its part "archive"');
  const checksum = form.texts.get('checksum');
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw new RegistryError('bad-request', `checksum is ${quote(checksum)}: use sha256: and 64 hex digits`);
  return { archive, checksum };
}

function archiveIn({ files }: Form): StagedBlob | undefined {
  const name = fileNames.find((one) => files.has(one));
  return name === undefined ? undefined : files.get(name)?.blob;
}

/** @throws RegistryError `invalid-version` */
function requireAllowed(version: string, { settings }: StateView): void {
  if (settings.ori?.prereleases === 'refused' && isPrerelease(version))
    throw new RegistryError('invalid-version', `${version} is a pre-release, and this registry takes none`);
}

/** By the same account: for any other it is a version that exists. */
function isSame(known: Release, digest: string, { handle }: Actor): boolean {
  return known.publishedBy === handle && archiveOf(known).digest === digest;
}

function versionExists(name: string, known: Release): RegistryError {
  return new RegistryError('version-exists', `${name} ${known.version} is already published`, {
    facts: { checksum: archiveOf(known).digest },
  });
}

/**
 * What the lock names of this registry has to be what is here; of other registries nothing is known.
 * @throws RegistryError `invalid-archive` as `checksum_mismatch`
 */
function requireSameLock(lock: Lock, view: StateView): void {
  for (const [key, checksum] of Object.entries(lock)) {
    const { name, version } = splitLockKey(key);
    const of = view.package('ori', name);
    const release = of?.visibility === 'public' ? of.releases.get(version) : undefined;
    const here = release && archiveOf(release).digest;
    if (here !== undefined && here !== checksum)
      throw badChecksum(`oripk.lock says that ${key} is ${checksum}; in this registry it is ${here}`);
  }
}
