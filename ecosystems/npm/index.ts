import type { Ecosystem, Surface } from '../ecosystem.ts';
import {
  deleteDistTag,
  deletePackage,
  deleteTarball,
  postAccess,
  putDistTag,
  putRevision,
} from './changes.ts';
import { filesForPackage, filesForRef, filesForRelease, filesForRoot } from './files.ts';
import { canonicalPath, rules } from './names.ts';
import { doc, docs } from './openapi.ts';
import { paths } from './paths.ts';
import { putDocument } from './publish.ts';
import { renderError } from './refusals.ts';

const api = { from: 'api' } as const;
const [post, put, del] = [
  { ...api, method: 'POST' },
  { ...api, method: 'PUT' },
  { ...api, method: 'DELETE' },
] as const;
const ofPackage = '-/package/{+name}';

const routes: Surface['routes'] = [
  { ...paths.root, doc: docs.root },
  { ...paths.ping, doc: docs.ping },
  { ...paths.keys, doc: docs.keys },
  { ...paths.packument, doc: docs.packument },
  { ...paths.version, doc: docs.version },
  { ...paths.tarball, doc: docs.tarball },
  { ...paths.distTags, doc: docs.distTags },
  { ...paths.visibility, doc: docs.visibility },
  { ...paths.collaborators, doc: docs.collaborators },
  { ...paths.attestations, doc: docs.attestations },
  { ...put, pattern: '{+name}', handle: putDocument, doc: docs.putDocument },
  { ...put, pattern: '{+name}/-rev/{rev}', handle: putRevision, doc: docs.putRevision },
  { ...del, pattern: '{+name}/-rev/{rev}', handle: deletePackage, doc: docs.deletePackage },
  { ...del, pattern: '{+name}/-/{file}/-rev/{rev}', handle: deleteTarball, doc: docs.deleteTarball },
  { ...put, pattern: `${ofPackage}/dist-tags/{tag}`, handle: putDistTag, doc: docs.putDistTag },
  { ...del, pattern: `${ofPackage}/dist-tags/{tag}`, handle: deleteDistTag, doc: docs.deleteDistTag },
  { ...post, pattern: `${ofPackage}/access`, handle: postAccess, doc: docs.postAccess },
];

const surface: Surface = {
  id: 'npm',
  reads: ['npm'],
  defaultMount: '/npm',
  routes,
  doc,
  canonicalPath,
  filesForRelease,
  filesForRef,
  filesForPackage,
  filesForRoot,
  renderError,
};

export const npm: Ecosystem<'npm'> = {
  id: 'npm',
  rules,
  surfaces: [surface],
  signsWith: 'ecdsa-sha2-nistp256',
  // The word of servers that this one takes the place of.
  environment: ({ NPM_FALLBACK }) => ({ variables: { CAIRN_NPM_FALLBACK: NPM_FALLBACK }, notes: [] }),
};
