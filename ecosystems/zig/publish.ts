/** `POST publish` and `DELETE packages/{name}` (Pantry's contract, section 8; Zig's, section 9). */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import { requireScope } from '../../core/permission.ts';
import type { Call, Form, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../ecosystem.ts';
import { done, requireWriter } from '../pantry-answers.ts';
import { quote } from '../quote.ts';
import { dependencyText, fetchCommand, keysOf, type ZigMeta } from './files.ts';
import { readManifest } from './manifest.ts';
import { checkNames, registryName } from './names.ts';
import { readPackage, type ZigPackage } from './package-hash.ts';
import { tarballUrl } from './paths.ts';
import { refuseUnfit } from './refusals.ts';
import { repacked } from './repack.ts';

export const MAX_UPLOAD_BYTES = 50 * 1024 * 1024;
const MAX_TEXT_BYTES = 10 * 1024 * 1024;
const MAX_DESCRIPTION_LENGTH = 2000;

export async function publish(call: Call, view: StateView): Promise<Intent> {
  const { baseUrl } = siteOf(call, view);
  const actor = requireWriter(call);
  const form = await readUpload(call);
  const upload = form.files.get('tarball');
  if (!upload) throw new RegistryError('bad-request', 'Missing tarball');
  const description = form.texts.get('description');
  if (description !== undefined && description.length > MAX_DESCRIPTION_LENGTH)
    throw new RegistryError('bad-request', `description is over ${MAX_DESCRIPTION_LENGTH} characters`);
  const read = await readPackage(upload.blob);
  const { name, version } = namesOf(read, form.texts.get('manifest'), upload.filename);
  checkNames(name, version);
  const warnings = refuseUnfit(read);
  // One kind of archive is right for every Zig and every static host: what is not gzip is packed again.
  const tarball =
    read.type === 'tar.gz'
      ? upload.blob
      : await call.stage(repacked(upload.blob, read, `${name}-${version}`), {
          maxBytes: 4 * MAX_UPLOAD_BYTES,
        });
  const { hash, legacyHash } = read;
  const meta = await call.keepMeta(metaOf(read, description));
  return {
    actor,
    blobs: [tarball, ...meta.blobs],
    plan: () => [
      {
        kind: 'publish',
        ecosystem: 'zig',
        name,
        version,
        artifacts: [
          { role: 'tarball', digest: tarball.digest, size: tarball.size, mediaType: 'application/gzip' },
        ],
        keys: keysOf({ legacyHash, ...(hash === undefined ? {} : { hash }) }),
        ...meta.fields,
      },
    ],
    answer(events, visibility) {
      if (events.length > 0) call.counters.count({ category: 'install_on_request', name, ours: 'version' });
      const url = tarballUrl(baseUrl, name, version);
      return done(
        201,
        {
          message: `Published ${name}@${version}`,
          hash: hash ?? legacyHash,
          legacyHash,
          tarballUrl: url,
          fetchCommand: fetchCommand(url),
          dependency: dependencyText(name, url, hash ?? legacyHash),
          ...(warnings.length > 0 ? { warnings } : {}),
        },
        visibility,
      );
    },
  };
}

async function readUpload(call: Call): Promise<Form> {
  if (!call.header('content-type')?.toLowerCase().startsWith('multipart/form-data'))
    throw new RegistryError('unsupported-media-type', 'Unsupported content type. Use multipart/form-data.');
  return call.readForm({
    maxFileBytes: MAX_UPLOAD_BYTES,
    maxFiles: 8,
    maxTextBytes: MAX_TEXT_BYTES,
    tooLarge: () => new RegistryError('too-large', 'Tarball exceeds maximum size of 50MB'),
  });
}

interface Names {
  /** With hyphens. */
  readonly name: string;
  readonly version: string;
}

/**
 * What the archive says of itself; where it says nothing, what was sent beside it. A manifest that was sent may spell the
 * name as URLs do, and is otherwise held against the archive's own.
 * @throws RegistryError `bad-request`, `invalid-manifest`
 */
function namesOf({ manifest }: ZigPackage, sent: string | undefined, filename: string): Names {
  const said = sent === undefined || sent.trim() === '' ? undefined : readManifest(sent, 'beside');
  const ofFile = /^([A-Za-z0-9][\w.-]*?)-(\d+\.\d+\.\d+[\w.+-]*)\.(?:tar(?:\.\w+)?|tgz|txz|tzst|zip)$/.exec(
    filename,
  );
  if (manifest) {
    const names = { name: registryName(manifest.name), version: manifest.version };
    if (said && (registryName(said.name) !== names.name || said.version !== names.version))
      throw new RegistryError(
        'invalid-manifest',
        `the manifest sent is of ${quote(`${said.name} ${said.version}`)}, the build.zig.zon in the archive of ${quote(`${manifest.name} ${manifest.version}`)}: send the archive's own`,
      );
    return names;
  }
  if (said) return { name: registryName(said.name), version: said.version };
  if (ofFile) return { name: registryName(ofFile[1] ?? ''), version: ofFile[2] ?? '' };
  throw new RegistryError(
    'bad-request',
    'Could not determine package name/version. Provide manifest or use name-version.tar.gz filename.',
  );
}

function metaOf(
  { hash, legacyHash, totalSize, fileCount, manifest }: ZigPackage,
  description: string | undefined,
): ZigMeta {
  const own = manifest;
  const about = own?.about ?? {};
  return withoutAbsent({
    hash,
    legacyHash,
    unpackedSize: totalSize,
    fileCount,
    description: description ?? about['description']?.slice(0, MAX_DESCRIPTION_LENGTH),
    fingerprint: own?.fingerprint === undefined ? undefined : `0x${own.fingerprint.toString(16)}`,
    minimumZigVersion: own?.minimumZigVersion,
    dependencies: own && Object.keys(own.dependencies).length > 0 ? own.dependencies : undefined,
    paths: own?.paths,
    license: about['license'],
    author: about['author'],
    homepage: about['homepage'],
    repository: about['repository'],
  });
}

function withoutAbsent(fields: { [K in keyof ZigMeta]: ZigMeta[K] | undefined }): ZigMeta {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as ZigMeta;
}

/** Takes out every version, their numbers stay burnt. A package that is not there is gone as well. */
export async function remove(call: Call): Promise<Intent> {
  const actor = requireScope(call.authenticate(), 'yank');
  const { name = '' } = call.params;
  return {
    actor,
    plan(view): readonly Command[] {
      const of = view.package('zig', name);
      const isThere = of?.name === name && of.releases.size > 0;
      return isThere ? [{ kind: 'withdraw', ecosystem: 'zig', name }] : [];
    },
    answer: (_events, visibility) => done(200, { message: `Deleted ${name}` }, visibility),
  };
}
