/**
 * Whole-document writes (contract, section 6): a client reads the packument, edits it and sends it back. The body is
 * never stored. It is held against what stands, and only the change that the client meant becomes an event.
 */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package, Release } from '../../core/package.ts';
import { isAdministrator, type Actor } from '../../core/permission.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { requireWriter, wrongShape } from './answers.ts';
import { changeOf } from './change-of.ts';
import { highestVersion, isListed, revisionOf, tagsOf } from './files.ts';
import { isObject, objectIn, type Manifest } from './manifest.ts';
import { rules } from './names.ts';
import { tarballName } from './paths.ts';

/** The packument of a package with ten thousand versions, sent back. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 ** 2;
const STANDARD_UNPUBLISH_HOURS = 72;
const HOUR_MS = 3_600_000;

/** `PUT {name}` without a tarball: deprecate, undeprecate, star, unstar. Missing versions mean nothing here. */
export function changeDocument(call: Call, actor: Actor, document: Manifest): Intent {
  const isStar = isObject(document['users']) && document['versions'] === undefined;
  if (!isStar && !isObject(document['versions']) && document['maintainers'] === undefined)
    throw wrongShape('a package document with versions, users or maintainers');
  const plan = (of: Package): Command[] => {
    if (isStar) return starring(of, document, actor);
    requireCurrent(of, document['_rev']);
    return [...deprecations(of, document), ...ownerships(of, document)];
  };
  return changeOf(call, actor, plan, 201);
}

/** `PUT {name}/-rev/{rev}`: owners, deprecations, and versions that are no longer in the document. */
export async function putRevision(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { rev } = call.params;
  const document = await call.readJson({ maxBytes: MAX_DOCUMENT_BYTES });
  if (!isObject(document)) throw wrongShape('a package document');
  return changeOf(call, actor, (of, view) => {
    requireCurrent(of, rev);
    const owners = ownerships(of, document);
    if (document['versions'] === undefined) {
      if (document['maintainers'] === undefined)
        throw wrongShape('a package document with maintainers or versions');
      return owners;
    }
    const versions = objectIn(document, 'versions');
    const gone = [...of.releases.values()].filter(
      (release) => isListed(release) && !Object.hasOwn(versions, release.version),
    );
    for (const release of gone) requireRemovable(release, call, view, actor);
    return [...withdrawals(of, gone, document), ...deprecations(of, document), ...owners];
  });
}

/** `DELETE {name}/-rev/{rev}`: all versions. */
export async function deletePackage(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '', rev } = call.params;
  return changeOf(call, actor, (of, view) => {
    requireCurrent(of, rev);
    for (const release of of.releases.values())
      if (release.withdrawnAt === undefined) requireRemovable(release, call, view, actor);
    return [
      { kind: 'withdraw', ecosystem: 'npm', name },
      // Packages of commits, which are refs as well, go with the package.
      ...tagsOf(of).map((ref): Command => ({ kind: 'remove-ref', ecosystem: 'npm', name, ref })),
    ];
  });
}

/** `DELETE {name}/-/{file}/-rev/{rev}`: the second half of removing a version; the first half has done it all. */
export async function deleteTarball(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '', file = '' } = call.params;
  return changeOf(call, actor, (of) => {
    const release = [...of.releases.values()].find(({ version }) => tarballName(name, version) === file);
    if (!release) throw new RegistryError('version-not-found', `${name} has no tarball ${file}`);
    if (isListed(release))
      throw new RegistryError(
        'conflict',
        `${name}@${release.version} is published; take it out of the document first: npm unpublish ${name}@${release.version}`,
      );
    return [];
  });
}

/** What was read has changed since: what the client means can no longer be told from what others did. */
function requireCurrent(of: Package, revision: unknown): void {
  if (revision === undefined || revision === revisionOf(of)) return;
  throw new RegistryError('conflict', 'conflict: please get the latest revision');
}

function requireRemovable(release: Release, call: Call, { settings }: StateView, actor: Actor): void {
  const hours = settings.npm?.unpublishHours ?? STANDARD_UNPUBLISH_HOURS;
  if (hours === 0 || isAdministrator(actor)) return;
  if (Date.parse(call.now()) - Date.parse(release.publishedAt) <= hours * HOUR_MS) return;
  throw new RegistryError(
    'not-owner',
    `${release.version} was published more than ${hours} hours ago and may be in use: deprecate it, or ask the registry's operator`,
  );
}

/** The document says where tags go; where it says nothing, `latest` goes to the highest version that is left. */
function withdrawals(of: Package, gone: readonly Release[], document: Manifest): Command[] {
  if (gone.length === 0) return [];
  const ofPackage = { ecosystem: 'npm', name: of.name } as const;
  const isGone = (version: unknown): boolean => gone.some((release) => release.version === version);
  const left = [...of.releases.values()].filter((release) => isListed(release) && !gone.includes(release));
  const withdrawn = gone.map(({ version }): Command => ({ kind: 'withdraw', ...ofPackage, version }));
  const wanted = objectIn(document, 'dist-tags');
  const moved = [...of.refs].flatMap(([ref, { target }]): Command[] => {
    if (!isGone(target)) return [];
    const said = wanted[ref];
    const isThere = left.some(({ version }) => version === said);
    const next = isThere ? String(said) : ref === 'latest' ? highestOf(of, gone) : undefined;
    return [
      next === undefined
        ? { kind: 'remove-ref', ...ofPackage, ref }
        : { kind: 'set-ref', ...ofPackage, ref, target: next },
    ];
  });
  return [...withdrawn, ...moved];
}

function highestOf(of: Package, but: readonly Release[]): string | undefined {
  const releases = new Map([...of.releases].filter(([, release]) => !but.includes(release)));
  return highestVersion({ ...of, releases });
}

function deprecations(of: Package, document: Manifest): Command[] {
  const versions = objectIn(document, 'versions');
  return Object.entries(versions).flatMap(([version, sent]): Command[] => {
    const release = of.releases.get(rules.versionKey(version));
    if (!release || !isListed(release) || !isObject(sent)) return [];
    const message = sent['deprecated'] ?? '';
    if (typeof message !== 'string') throw wrongShape('a document whose deprecated fields are texts');
    const current = release.deprecated?.message ?? of.deprecated?.message ?? '';
    if (message === current) return [];
    const ofVersion = { ecosystem: 'npm', name: of.name, version: release.version } as const;
    return [
      message === '' ? { kind: 'undeprecate', ...ofVersion } : { kind: 'deprecate', ...ofVersion, message },
    ];
  });
}

function ownerships(of: Package, document: Manifest): Command[] {
  const { maintainers } = document;
  if (maintainers === undefined) return [];
  if (!Array.isArray(maintainers) || maintainers.length === 0)
    throw wrongShape('a document with at least one maintainer');
  const wanted = new Set(maintainers.map(handleIn));
  const ofPackage = { ecosystem: 'npm', name: of.name } as const;
  return [
    ...[...wanted]
      .filter((owner) => !of.owners.includes(owner))
      .map((owner): Command => ({ kind: 'add-owner', ...ofPackage, owner })),
    ...of.owners
      .filter((owner) => !wanted.has(owner))
      .map((owner): Command => ({ kind: 'remove-owner', ...ofPackage, owner })),
  ];
}

function handleIn(maintainer: unknown): string {
  const name = isObject(maintainer) ? maintainer['name'] : maintainer;
  if (typeof name !== 'string' || name === '') throw wrongShape('a document whose maintainers have names');
  return name;
}

/** A document may name others as well, as they stood when it was read: only the sender's own star is the sender's. */
function starring(of: Package, document: Manifest, { handle }: Actor): Command[] {
  const isWanted = objectIn(document, 'users')[handle] === true;
  return [{ kind: isWanted ? 'star' : 'unstar', ecosystem: 'npm', name: of.name }];
}
