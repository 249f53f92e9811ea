/** Every path that the OCI surface publishes, and nowhere else (contract, sections 2 and 13.3). */
import type { ReadRoute } from '../../core/route.ts';
import { ofPublicPackages } from '../../core/site.ts';
import { jsonFile, ociFiles } from '../oci-files.ts';
import { INDEX_TYPE } from '../oci-media-types.ts';
import { readMissingBlob } from './blobs.ts';
import { listRepositories } from './catalog.ts';
import { readMissingManifest, suffixAt } from './manifests.ts';
import { readReferrers } from './referrers.ts';
import { readTags } from './tags.ts';

const isPublic = ofPublicPackages('oci');

export const paths = {
  manifest: {
    ...ociFiles.manifest,
    // One question instead of one for each type, until the right one is found. What was just deleted has none, and is there for as
    // long as lists that are on the site name it.
    mayBeThere: (params, view, type) => isPublic(params, view) && type === (suffixAt(params, view) ?? type),
    missFromApi: readMissingManifest,
  },
  blob: { ...ociFiles.blob, mayBeThere: isPublic, missFromApi: readMissingBlob },
  tags: {
    ...ociFiles.tags,
    mayBeThere: isPublic,
    asksApi: (query) => isAsked(query, 'n', 'last'),
    missFromApi: readTags,
  },
  referrers: {
    ...jsonFile,
    pattern: '{+name}/referrers/{digest}',
    contentType: INDEX_TYPE,
    mayBeThere: isPublic,
    asksApi: (query) => isAsked(query, 'artifactType', 'n', 'last'),
    missFromApi: readReferrers,
  },
  /** The file lists what is public; whoever asks the API may see more than that. */
  catalog: { ...jsonFile, pattern: '_catalog', asksApi: () => true, missFromApi: listRepositories },
} satisfies Record<string, ReadRoute>;

/** All other parameters mean nothing here, such as the `ns` of a client that takes us for a mirror. */
function isAsked(query: string, ...parameters: readonly string[]): boolean {
  if (query === '') return false;
  const given = new URLSearchParams(query);
  return parameters.some((parameter) => given.has(parameter));
}
