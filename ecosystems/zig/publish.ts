/** `POST publish` and `DELETE packages/{name}` (Pantry's contract, section 8; Zig's, section 9). */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import { requireScope } from '../../core/permission.ts';
import type { Call, Form, Intent } from '../../core/route.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../ecosystem.ts';
import { done, refuseExisting, requireWriter } from '../pantry-answers.ts';
import { quote } from '../quote.ts';
import { dependencyText, fetchCommand, keysOf, type ZigMeta } from './files.ts';
import { checkNames, registryName } from './names.ts';
import { readPackage, type ZigPackage } from './package-hash.ts';
import { tarballUrl } from './paths.ts';
import { repacked } from './repack.ts';
import { parseZon, type ZonValue } from './zon.ts';

const MAX_UPLOAD_BYTES = 50 * 1024 * 1024;
/** What is packed better than gzip can may become this much. */
const MAX_REPACKED_BYTES = 8 * MAX_UPLOAD_BYTES;
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
  // One kind of archive is right for every Zig and every static host: what is not gzip is packed again.
  const tarball =
    read.archiveType === 'tar.gz'
      ? upload.blob
      : await call.stage(repacked(upload.blob, read, `${name}-${version}`), { maxBytes: MAX_REPACKED_BYTES });
  if (tarball !== upload.blob) await requireSamePackage(tarball, read);
  const { hash, legacyHash } = read;
  const meta = await call.keepMeta(metaOf(read, description));
  return {
    actor,
    blobs: [tarball, ...meta.blobs],
    plan(current) {
      refuseExisting(current.package('zig', name)?.releases.get(version));
      return [
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
      ];
    },
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
          ...(read.warnings.length > 0 ? { warnings: read.warnings } : {}),
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
  const said = sent === undefined || sent.trim() === '' ? undefined : saidIn(sent);
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

/** Of a manifest that was sent beside the archive, which may have a name that Zig takes for none: `.@"my-lib"`. */
function saidIn(text: string): Names {
  const top = parseZon(text);
  const fields = top.kind === 'struct' ? top.fields : new Map<string, ZonValue>();
  const [name, version] = [fields.get('name'), fields.get('version')];
  const isName = name?.kind === 'enum' || name?.kind === 'string';
  if (!isName || version?.kind !== 'string')
    throw new RegistryError(
      'invalid-manifest',
      'the manifest needs .name and .version, as build.zig.zon has them',
    );
  return { name: name.kind === 'enum' ? name.name : name.text, version: version.text };
}

/** @throws Error when what we packed is not what was sent: a bug of ours, and nothing must come of it. */
async function requireSamePackage(tarball: StagedBlob, { legacyHash }: ZigPackage): Promise<void> {
  const packed = await readPackage(tarball);
  if (packed.legacyHash !== legacyHash)
    throw new Error(`packed again, the package has the hash ${packed.legacyHash}, not ${legacyHash}`);
}

function metaOf(
  { hash, legacyHash, totalSize, fileCount, manifest }: ZigPackage,
  description: string | undefined,
): ZigMeta {
  const about = (field: string): string | undefined => manifest?.texts.get(field);
  const dependencies = Object.fromEntries(manifest?.dependencies ?? []);
  return withoutAbsent({
    hash,
    legacyHash,
    unpackedSize: totalSize,
    fileCount,
    description: description ?? about('description')?.slice(0, MAX_DESCRIPTION_LENGTH),
    fingerprint: manifest?.fingerprint === undefined ? undefined : `0x${manifest.fingerprint.toString(16)}`,
    minimumZigVersion: manifest?.minimumZigVersion,
    dependencies: Object.keys(dependencies).length > 0 ? dependencies : undefined,
    paths: manifest?.paths,
    license: about('license'),
    author: about('author'),
    homepage: about('homepage'),
    repository: about('repository'),
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
