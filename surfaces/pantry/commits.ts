/** `POST publish/commit`: packages of a commit, which can be replaced and end by themselves (contract, section 7). */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Artifact } from '../../core/package.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../../ecosystems/ecosystem.ts';
import { isObject } from '../../ecosystems/npm/manifest.ts';
import { blobFields, visibilityOf } from '../../ecosystems/npm/release.ts';
import { readTarball } from '../../ecosystems/npm/tarball.ts';
import { done, requireWriter } from '../../ecosystems/pantry-answers.ts';
import type { CommitMeta } from './files.ts';
import { checkName, checkSha, COMMIT_VERSION_LENGTH, commitRef } from './names.ts';
import { commitTarballUrl } from './paths.ts';
import {
  MAX_METADATA_BYTES,
  MAX_TARBALL_BYTES,
  PANTRY_MANIFEST,
  parseMetadata,
  readJsonBody,
  requireNamed,
  takeArchive,
  tooLarge,
} from './publish.ts';

/** More than the largest monorepo; each is read before any is stored. */
const MAX_PACKAGES = 200;
const MAX_BODY_BYTES = 2 * 1024 ** 3;
const MAX_TEXT_LENGTH = 1024;

interface CommitUpload {
  readonly sha: unknown;
  readonly repository: unknown;
  readonly packages: readonly UploadedPackage[];
}

interface UploadedPackage {
  readonly name: unknown;
  readonly version?: unknown;
  readonly packageDir?: unknown;
  readonly tarball: StagedBlob;
}

export async function publishCommit(call: Call, view: StateView): Promise<Intent> {
  const actor = requireWriter(call);
  const upload = await readUpload(call);
  const sha = checkSha(upload.sha);
  const repository = textIn(upload.repository, 'repository');
  const { baseUrl } = siteOf(call, view);
  const commands: (Command & { readonly kind: 'publish-ref' })[] = [];
  for (const { tarball, ...said } of upload.packages) {
    const name = checkName(said.name);
    if (commands.some((command) => command.name === name))
      throw new RegistryError('bad-request', `${name} is listed twice`);
    requireNamed(await readTarball(tarball, PANTRY_MANIFEST), name);
    const artifact: Artifact = { role: 'tarball', ...blobFields(tarball), mediaType: 'application/gzip' };
    const meta = metaOf({
      repository,
      packageDir: textIn(said.packageDir, 'packageDir'),
      version: textIn(said.version, 'version'),
    });
    commands.push({
      kind: 'publish-ref',
      ecosystem: 'npm',
      name,
      ref: commitRef(sha),
      artifacts: [artifact],
      meta,
    });
  }
  const packages = commands.map(({ name }) => ({ name, url: commitTarballUrl(baseUrl, name, sha), sha }));
  const short = sha.slice(0, COMMIT_VERSION_LENGTH);
  const message = `Published ${packages.length} package(s) from commit ${short}`;
  return {
    actor,
    blobs: upload.packages.map(({ tarball }) => tarball),
    plan: (current) =>
      commands.flatMap((command) => {
        const { visibility, hiding } = visibilityOf(undefined, command.name, current);
        return [...hiding, { ...command, ...visibility }];
      }),
    answer: (_events, visibility) => done(201, { sha, packages, message }, visibility),
  };
}

function metaOf(said: { [K in keyof CommitMeta]: string | undefined }): CommitMeta {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

function textIn(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && value.length <= MAX_TEXT_LENGTH && !/\p{Surrogate}/u.test(value))
    return value;
  throw new RegistryError('bad-request', `${field} must be a text of at most ${MAX_TEXT_LENGTH} characters`);
}

async function readUpload(call: Call): Promise<CommitUpload> {
  const type = call.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type === 'multipart/form-data') return readFormUpload(call);
  if (type === 'application/json') return readJsonUpload(call);
  throw new RegistryError('unsupported-media-type', 'Unsupported content type');
}

const FILE_PREFIX = 'package:';

/** The command line sends `metadata` and a file for each package it lists; the founding document single fields instead. */
async function readFormUpload(call: Call): Promise<CommitUpload> {
  const { texts, files } = await call.readForm({
    maxFileBytes: MAX_TARBALL_BYTES,
    maxFiles: MAX_PACKAGES,
    maxTextBytes: MAX_METADATA_BYTES,
    tooLarge: (field) => tooLarge(field.slice(FILE_PREFIX.length)),
  });
  const text = texts.get('metadata');
  if (text === undefined) {
    if (texts.get('sha') === undefined) throw malformed('Missing metadata');
    const packages = [...files]
      .filter(([field]) => field.startsWith(FILE_PREFIX))
      .map(([field, { blob }]) => ({ name: field.slice(FILE_PREFIX.length), tarball: blob }));
    if (packages.length === 0) throw malformed('Missing sha or packages in metadata');
    return { sha: texts.get('sha'), repository: texts.get('repository'), packages };
  }
  const { sha, repository, packages: listed } = parseMetadata(text);
  if (sha === undefined || !Array.isArray(listed)) throw malformed('Missing sha or packages in metadata');
  // One that is listed and not sent is passed over, and so is one that is sent and not listed.
  const packages = listed.filter(isObject).flatMap((said) => {
    const file = files.get(FILE_PREFIX + String(said['name']));
    return file ? [{ ...partOf(said), tarball: file.blob }] : [];
  });
  if (packages.length === 0) throw malformed('Missing sha or packages in metadata');
  return { sha, repository, packages };
}

async function readJsonUpload(call: Call): Promise<CommitUpload> {
  const tarballs = new Map<string | number, Awaited<ReturnType<typeof takeArchive>>>();
  // The founding document sends one package at the top of the body, the command line a list.
  const AT_TOP = 'top';
  const body = await readJsonBody(call, MAX_BODY_BYTES, {
    isArchive: (path) =>
      (path.length === 1 && path[0] === 'tarball') ||
      (path.length === 3 && path[0] === 'packages' && path[2] === 'tarball'),
    async take(bytes, [, index]) {
      if (tarballs.size >= MAX_PACKAGES)
        throw new RegistryError('bad-request', `send at most ${MAX_PACKAGES} packages at once`);
      tarballs.set(index ?? AT_TOP, await takeArchive(call, bytes));
    },
  });
  const { sha, repository, packages: listed, ...top } = isObject(body) ? body : {};
  const all = Array.isArray(listed) ? listed.entries() : [[AT_TOP, top] as const];
  const packages = [...all].flatMap(([index, said]) => {
    const tarball = tarballs.get(index);
    if (!isObject(said) || !tarball) return [];
    if (typeof tarball === 'function') throw tarball(String(said['name']).slice(0, 214));
    return [{ ...partOf(said), tarball }];
  });
  if (sha === undefined || packages.length === 0) throw malformed('Missing sha or packages');
  return { sha, repository, packages };
}

function partOf(said: Readonly<Record<string, unknown>>): Omit<UploadedPackage, 'tarball'> {
  return { name: said['name'], version: said['version'], packageDir: said['packageDir'] };
}

function malformed(message: string): RegistryError {
  return new RegistryError('malformed-body', message);
}
