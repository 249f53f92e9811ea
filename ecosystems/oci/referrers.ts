/** What refers to a manifest: signatures, bills of materials (contract, section 7). */
import type { Package, Release } from '../../core/package.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { requireAccess } from './access.ts';
import { json } from './answers.ts';
import { manifestArtifact, metaOf } from './manifest.ts';
import { INDEX_TYPE } from '../oci-media-types.ts';
import { checkDigest } from './names.ts';
import { mostAsked, nextLink } from './paging.ts';

/** Clients read no further. */
export const MAX_REFERRERS_BYTES = 4 * 1024 * 1024;

/** An index of those that refer to one subject, in the order in which they came. */
export function referrersDocument(referrers: readonly Release[]): string {
  return documentOf(referrers.map(entryOf));
}

function documentOf(entries: readonly string[]): string {
  return `{"schemaVersion":2,"mediaType":"${INDEX_TYPE}","manifests":[${entries.join(',')}]}`;
}

function entryOf(release: Release): string {
  const { size, mediaType } = manifestArtifact(release);
  const { artifactType, annotations } = metaOf(release);
  return JSON.stringify({
    mediaType,
    digest: release.version,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  });
}

/** `{name}/referrers/{digest}`: of private repositories, of subjects that nothing refers to, or a part of a list */
export async function readReferrers(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  await requireAccess(call, view, { name, action: 'pull' });
  const subject = checkDigest(call.params['digest'] ?? '');
  const of = view.package('oci', name);
  // Nothing asked for is no filter.
  const type = call.query.get('artifactType') || undefined;
  const referrers = (of ? referrersOf(await call.hydrate(of), subject) : []).filter(
    (release) => type === undefined || metaOf(release).artifactType === type,
  );
  const { entries, headers } = pageOf(referrers, call);
  return json(200, documentOf(entries), {
    // Exactly this: some clients take anything else for a server without referrers.
    'content-type': INDEX_TYPE,
    ...(type === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
    ...headers,
  });
}

function referrersOf(of: Package, subject: string): readonly Release[] {
  return [...of.releases.values()].filter((release) => metaOf(release).subject === subject);
}

interface Page {
  readonly entries: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** As many as were asked for, and as fit. */
function pageOf(referrers: readonly Release[], call: Call): Page {
  const n = mostAsked(call);
  const last = call.query.get('last');
  const from = last === null ? 0 : referrers.findIndex(({ version }) => version === last) + 1;
  const entries: string[] = [];
  let bytes = documentOf([]).length;
  for (const release of referrers.slice(from)) {
    const entry = entryOf(release);
    bytes += Buffer.byteLength(entry) + 1;
    if (entries.length >= n || (entries.length > 0 && bytes > MAX_REFERRERS_BYTES)) {
      // Where none were wanted the next page would be this one.
      const end = entries.length === 0 ? undefined : referrers[from + entries.length - 1]?.version;
      return { entries, headers: end === undefined ? {} : { link: nextLink(call, { last: end }) } };
    }
    entries.push(entry);
  }
  return { entries, headers: {} };
}
