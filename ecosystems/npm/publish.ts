/** `PUT {name}`: a new version (contract, section 4), or a document that was read, edited and sent back (section 6). */
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import { requireScope, type Actor } from '../../core/permission.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Intent } from '../../core/route.ts';
import { done, requireWriter, wrongShape } from './answers.ts';
import { attestationsFrom } from './attestations.ts';
import { changeDocument, MAX_DOCUMENT_BYTES } from './changes.ts';
import { cutDocument } from './document-stream.ts';
import { archiveOf, hasListed } from './files.ts';
import { isObject, manifestOf, objectIn, requireAgreement, type Manifest } from './manifest.ts';
import { checkNewName, checkTag, rules } from './names.ts';
import { knownPackage } from './reads.ts';
import { prepareRelease, type Access } from './release.ts';
import { readTarball, type TarballContent } from './tarball.ts';

const MAX_TARBALL_BYTES = 256 * 1024 ** 2;
const MAX_BODY_BYTES = MAX_DOCUMENT_BYTES + Math.ceil(MAX_TARBALL_BYTES / 3) * 4;

export async function putDocument(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '' } = call.params;
  let tarball: StagedBlob | undefined;
  const { document, archive } = await cutDocument(
    call.body({ maxBytes: MAX_BODY_BYTES }),
    MAX_DOCUMENT_BYTES,
    async (bytes) => {
      // Before it is stored, even for a moment: what comes without a tarball may need another scope.
      requireScope(actor, 'publish');
      tarball = await call.stage(bytes, { maxBytes: MAX_TARBALL_BYTES });
    },
  );
  if (!isObject(document)) throw wrongShape('a package document');
  const saysName = document['name'] ?? document['_id'];
  if (saysName !== undefined && saysName !== name)
    throw new RegistryError(
      'bad-request',
      `the document is of ${JSON.stringify(saysName)}, the URL of ${name}`,
    );
  if (!tarball || archive === undefined) {
    if (Object.keys(objectIn(document, '_attachments')).length > 0)
      throw new RegistryError('bad-request', 'the document has no attached tarball whose key ends with .tgz');
    return changeDocument(call, actor, document);
  }
  return publish(call, actor, { name, document, archive, tarball });
}

interface Sent {
  readonly name: string;
  readonly document: Manifest;
  /** Key of the attachment. */
  readonly archive: string;
  readonly tarball: StagedBlob;
}

async function publish(
  call: Call,
  actor: Actor,
  { name, document, archive, tarball }: Sent,
): Promise<Intent> {
  checkNewName(name);
  const [sentVersion, sent] = onlyEntry(objectIn(document, 'versions'), 'version');
  if (!isObject(sent)) throw wrongShape('a document whose version is an object');
  const tags = tagsIn(document, sentVersion);
  const access = accessIn(document, name);
  checkLength(document, archive, tarball);
  const content = await readTarball(tarball);
  requireAgreement({ ...sent, name: sent['name'] ?? name }, content);
  if (content.manifest['name'] !== name)
    throw new RegistryError(
      'invalid-manifest',
      `the tarball is of ${JSON.stringify(content.manifest['name'])}, the URL of ${name}`,
    );
  checkHashes(sent, content);
  const manifest = manifestOf(content, sent);
  const version = manifest['version'] as string;
  const provenance = await attestationsFrom(call, document, { name, version, integrity: content.integrity });
  const release = await prepareRelease(call, { name, manifest, content, tarball, provenance });
  return {
    actor,
    blobs: release.blobs,
    plan: (view) => {
      // Of a package that the sender may not know of, only the rules speak, and they say the same of any name.
      const existing = knownPackage(view, name, actor);
      // A client that did not hear our answer sends it again (section 4): what stands is what it wants.
      if (existing && isRepetition(existing, version, tarball, actor)) return [];
      refuseExisting(existing, version);
      return release.commands(view, { access, tags: tagsFor(existing, tags) });
    },
    answer: (_events, visibility) => done(201, { id: name, success: true }, visibility),
  };
}

function onlyEntry(fields: Readonly<Record<string, unknown>>, what: string): [string, unknown] {
  const [entry, ...others] = Object.entries(fields);
  if (!entry || others.length > 0) throw wrongShape(`a document with exactly one ${what}`);
  return entry;
}

/** Tags that the document sets; `latest` when it names none. */
function tagsIn(document: Manifest, version: string): readonly string[] {
  const entries = Object.entries(objectIn(document, 'dist-tags'));
  for (const [tag, target] of entries) {
    checkTag(tag);
    if (target !== version)
      throw new RegistryError(
        'bad-request',
        `tag ${tag} has to be at ${version}, the version that is published`,
      );
  }
  return entries.length > 0 ? entries.map(([tag]) => tag) : ['latest'];
}

function accessIn(document: Manifest, name: string): Access {
  const access = document['access'] ?? undefined;
  if (access !== undefined && access !== 'public' && access !== 'restricted')
    throw new RegistryError('bad-request', 'access is public, restricted or null');
  if (access === 'restricted' && !name.startsWith('@'))
    throw new RegistryError('bad-request', 'only a scoped package, such as @scope/name, can be restricted');
  return access;
}

function checkLength(document: Manifest, archive: string, { size }: StagedBlob): void {
  const attachment = objectIn(objectIn(document, '_attachments'), archive);
  const { length } = attachment;
  if (length !== undefined && length !== size)
    throw new RegistryError(
      'bad-request',
      `the attachment says that it has ${JSON.stringify(length)} bytes, and has ${size}`,
    );
  if (size === 0) throw new RegistryError('invalid-archive', 'the attached tarball is empty');
}

function checkHashes(sent: Manifest, { integrity, shasum }: TarballContent): void {
  const dist = objectIn(sent, 'dist');
  const hasOther = (said: unknown, computed: string): boolean => said !== undefined && said !== computed;
  // An integrity may list several hashes; ours has to be among them.
  const said = typeof dist['integrity'] === 'string' ? dist['integrity'].split(/\s+/) : [];
  const saidSha512 = said.find((hash) => hash.startsWith('sha512-'));
  if (hasOther(saidSha512, integrity) || hasOther(dist['shasum'], shasum))
    throw new RegistryError(
      'invalid-archive',
      'the attached tarball is not the one that dist.integrity and dist.shasum are of; pack and publish again',
    );
}

function isRepetition(existing: Package, version: string, tarball: StagedBlob, { handle }: Actor): boolean {
  const release = existing.releases.get(rules.versionKey(version));
  const archive = release && archiveOf(release);
  return archive?.digest === tarball.digest && release?.publishedBy === handle;
}

function refuseExisting(existing: Package | undefined, version: string): void {
  if (!existing?.releases.has(rules.versionKey(version))) return;
  // npm's own words: some tools look for them.
  throw new RegistryError(
    'version-exists',
    `You cannot publish over the previously published versions: ${version}.`,
  );
}

/** The first version is `latest` whatever its tag: there is always one. */
function tagsFor(existing: Package | undefined, tags: readonly string[]): readonly string[] {
  const isFirst = !existing || !hasListed(existing);
  return isFirst ? [...new Set(['latest', ...tags])] : tags;
}
