/** What of Run stands at places that OCI clients and `wkg` have fixed: on wherever Run is on (contract, section 9). */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import type { Surface } from '../ecosystem.ts';
import { canonicalPath, versionHeader } from '../oci-files.ts';
import { INDEX_TYPE } from '../oci-media-types.ts';
import { renderError } from '../oci-refusals.ts';
import { docOfDiscovery, docOfOci, docsOfOci } from './openapi.ts';
import { discovery, ociPaths, requireComponent } from './oci-paths.ts';
import { filesForDiscovery, filesForPackage, filesForRelease } from './oci-views.ts';

const nothing: Pick<Surface, 'filesForRelease' | 'filesForPackage' | 'filesForRoot'> = {
  filesForRelease: () => [],
  filesForPackage: () => [],
  filesForRoot: () => [],
};

const api = { from: 'api', doc: undefined } as const;
const upload = '{+name}/blobs/uploads/{id}';

/** What pushes would ask for. They are refused here, in words: without these they would be told that nothing is there. */
const refused: Surface['routes'] = [
  { ...api, method: 'POST', pattern: '{+name}/blobs/uploads/', handle: refusePush },
  { ...api, method: 'GET', pattern: upload, handle: refusePush },
  { ...api, method: 'PATCH', pattern: upload, handle: refusePush },
  { ...api, method: 'PUT', pattern: upload, handle: refusePush },
  { ...api, method: 'DELETE', pattern: upload, handle: refusePush },
  { ...api, method: 'PUT', pattern: ociPaths.manifest.pattern, handle: refusePush },
  { ...api, method: 'DELETE', pattern: ociPaths.manifest.pattern, handle: refusePush },
  { ...api, method: 'DELETE', pattern: ociPaths.blob.pattern, handle: refusePush },
];

/** Components, as repositories below `wasm/`. */
const components: Surface = {
  id: 'run-oci',
  reads: ['run'],
  beside: { surface: 'run', mount: '/v2/wasm' },
  defaultMount: '/v2/wasm',
  routes: [
    { ...ociPaths.manifest, doc: docsOfOci.manifest },
    { ...ociPaths.blob, doc: docsOfOci.blob },
    { ...ociPaths.tags, doc: docsOfOci.tags },
    {
      from: 'api',
      method: 'GET',
      pattern: '{+name}/referrers/{digest}',
      handle: showReferrers,
      doc: docsOfOci.referrers,
    },
    ...refused,
  ],
  doc: docOfOci,
  canonicalPath,
  ...nothing,
  releasesShareFiles: true,
  filesForRelease,
  filesForPackage,
  renderError,
};

/** `/v2/` where no OCI surface answers there: nobody has to say who they are. */
const version: Surface = {
  id: 'run-v2',
  reads: [],
  beside: { surface: 'run', mount: '/v2', unless: 'oci' },
  defaultMount: '/v2',
  routes: [{ from: 'api', method: 'GET', pattern: '', handle: ping, doc: docsOfOci.ping }],
  doc: docOfOci,
  ...nothing,
  renderError,
};

const wellKnown: Surface = {
  id: 'run-wkg',
  reads: ['run'],
  beside: { surface: 'run', mount: '/.well-known/wasm-pkg' },
  defaultMount: '/.well-known/wasm-pkg',
  routes: [{ ...discovery, doc: docsOfOci.discovery }],
  doc: docOfDiscovery,
  ...nothing,
  filesForRoot: filesForDiscovery,
  renderError,
};

export const ociSurfaces: readonly Surface[] = [components, version, wellKnown];

async function refusePush(call: Call): Promise<HttpAnswer> {
  throw new RegistryError(
    'method-not-allowed',
    `${call.head.method} is not possible here: components are published through Run, and are here for pulling`,
    { allow: ['GET', 'HEAD'] },
  );
}

async function ping(): Promise<HttpAnswer> {
  return { status: 200, headers: { ...versionHeader, 'content-type': 'application/json' }, body: '{}' };
}

/** Signatures and the like can only be pushed, and so there are none: an empty list, as the specification wants it. */
async function showReferrers(call: Call, view: StateView): Promise<HttpAnswer> {
  requireComponent(call, view);
  return {
    status: 200,
    headers: { ...versionHeader, 'content-type': INDEX_TYPE },
    body: JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] }),
  };
}
