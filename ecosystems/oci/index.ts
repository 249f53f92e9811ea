import type { Ecosystem, Surface } from '../ecosystem.ts';
import { canonicalPath } from '../oci-files.ts';
import { renderError } from '../oci-refusals.ts';
import { createUser, deleteMember, listMembers, listRepo, putMember, putVisibility } from './accounts.ts';
import { SERVICE } from './access.ts';
import { deleteBlob } from './blobs.ts';
import { ping } from './catalog.ts';
import { environment } from './environment.ts';
import {
  filesForGroup,
  filesForPackage,
  filesForRef,
  filesForRelease,
  filesForRoot,
  groupOf,
  summarize,
} from './files.ts';
import { metaOf } from './manifest.ts';
import { deleteManifest, putManifest } from './manifests.ts';
import { canonicalAccountsPath, rules } from './names.ts';
import { doc, docOfAccounts, docOfTokens, docs, docsOfAccounts, docsOfTokens } from './openapi.ts';
import { paths } from './paths.ts';
import { getKeys, getToken, postToken } from './tokens.ts';
import { appendUpload, cancelUpload, finishUpload, showUpload, startUpload } from './uploads.ts';

const api = { from: 'api' } as const;
const [get, post, put, patch, del] = [
  { ...api, method: 'GET' },
  { ...api, method: 'POST' },
  { ...api, method: 'PUT' },
  { ...api, method: 'PATCH' },
  { ...api, method: 'DELETE' },
] as const;
const upload = '{+name}/blobs/uploads/{id}';

const routes: Surface['routes'] = [
  { ...get, pattern: '', handle: ping, doc: docs.ping },
  { ...paths.catalog, doc: docs.catalog },
  { ...paths.manifest, doc: docs.manifest },
  { ...put, pattern: paths.manifest.pattern, handle: putManifest, doc: docs.putManifest },
  { ...del, pattern: paths.manifest.pattern, handle: deleteManifest, doc: docs.deleteManifest },
  { ...paths.blob, doc: docs.blob },
  { ...del, pattern: paths.blob.pattern, handle: deleteBlob, doc: docs.deleteBlob },
  { ...post, pattern: '{+name}/blobs/uploads/', handle: startUpload, doc: docs.startUpload },
  { ...get, pattern: upload, handle: showUpload, doc: docs.showUpload },
  { ...patch, pattern: upload, handle: appendUpload, doc: docs.appendUpload },
  { ...put, pattern: upload, handle: finishUpload, doc: docs.finishUpload },
  { ...del, pattern: upload, handle: cancelUpload, doc: docs.cancelUpload },
  { ...paths.tags, doc: docs.tags },
  { ...paths.referrers, doc: docs.referrers },
];

const credentials = { takesBasic: true, takesAccessTokens: { audience: () => SERVICE } } as const;

const distribution: Surface = {
  id: 'oci',
  reads: ['oci'],
  defaultMount: '/v2',
  isFixed: true,
  routes,
  doc,
  canonicalPath,
  ...credentials,
  releasesShareFiles: true,
  filesForRelease,
  filesForRef,
  filesForPackage,
  groupOf,
  filesForGroup,
  summarize,
  filesForRoot,
  environment,
  renderError,
};

/** What stands elsewhere on the host, for the same clients and in the same words. */
function beside(id: string, mount: string, rest: Pick<Surface, 'routes' | 'doc' | 'canonicalPath'>): Surface {
  return {
    id,
    // Packages make no files of it; a list of them is that of `/v2/`.
    reads: [],
    beside: { surface: 'oci', mount },
    defaultMount: mount,
    ...credentials,
    filesForRelease: () => [],
    filesForPackage: () => [],
    filesForRoot: () => [],
    renderError,
    ...rest,
  };
}

const tokens = beside('oci-auth', '/auth', {
  routes: [
    { ...get, pattern: 'token', handle: getToken, doc: docsOfTokens.getToken },
    { ...post, pattern: 'token', handle: postToken, doc: docsOfTokens.postToken },
    { ...get, pattern: 'keys', handle: getKeys, doc: docsOfTokens.keys },
  ],
  doc: docOfTokens,
});

/** Where other registries have it. */
const tokensAgain = beside('oci-token', '/token', {
  routes: [
    { ...get, pattern: '', handle: getToken, doc: docsOfTokens.getToken },
    { ...post, pattern: '', handle: postToken, doc: docsOfTokens.postToken },
  ],
  doc: docOfTokens,
});

const accounts = beside('oci-accounts', '/api/v1', {
  routes: [
    { ...post, pattern: 'users', handle: createUser, doc: docsOfAccounts.createUser },
    { ...get, pattern: 'repo', handle: listRepo, doc: docsOfAccounts.listRepo },
    {
      ...put,
      pattern: '{namespace}/{+repo}/visibility',
      handle: putVisibility,
      doc: docsOfAccounts.putVisibility,
    },
    {
      ...put,
      pattern: '{namespace}/visibility',
      handle: putVisibility,
      doc: docsOfAccounts.putShortVisibility,
    },
    { ...get, pattern: '{namespace}/-/members', handle: listMembers, doc: docsOfAccounts.listMembers },
    { ...put, pattern: '{namespace}/-/members/{handle}', handle: putMember, doc: docsOfAccounts.putMember },
    {
      ...del,
      pattern: '{namespace}/-/members/{handle}',
      handle: deleteMember,
      doc: docsOfAccounts.deleteMember,
    },
  ],
  doc: docOfAccounts,
  canonicalPath: canonicalAccountsPath,
});

export const oci: Ecosystem<'oci'> = {
  id: 'oci',
  rules,
  surfaces: [distribution, tokens, tokensAgain, accounts],
  namedByMeta: (meta) => metaOf({ meta }).blobs.map(([digest]) => digest),
};
