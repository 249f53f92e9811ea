import type { Ecosystem, Surface } from '../ecosystem.ts';
import { fileAdvisory, withdrawAdvisory } from './advisories.ts';
import { environment } from './environment.ts';
import { filesForPackage, filesForRelease, filesForRoot, summarize } from './files.ts';
import { rules } from './names.ts';
import { addOwner, removeOwner } from './owners.ts';
import { doc, docs } from './openapi.ts';
import { paths } from './paths.ts';
import { renderError } from './refusals.ts';
import { listArchetypes, search, showArchetype } from './search.ts';
import {
  bootstrap,
  checkToken,
  createToken,
  listTokens,
  logout,
  refuseGitHub,
  revokeToken,
  showAccount,
  showSession,
} from './tokens.ts';
import { publish, yank } from './writes.ts';

const api = { from: 'api' } as const;
const [get, post] = [
  { ...api, method: 'GET' },
  { ...api, method: 'POST' },
] as const;
const ofPackage = 'v1/packages/{name}';
const ofVersion = `${ofPackage}/{version}`;

const routes: Surface['routes'] = [
  { ...paths.service, doc: docs.service },
  { ...paths.config, doc: docs.config },
  { ...paths.catalog, doc: docs.catalog },
  { ...paths.shortEntry, doc: docs.shortEntry },
  { ...paths.entry, doc: docs.entry },
  { ...paths.shallowEntry, doc: undefined },
  { ...paths.deepEntry, doc: undefined },
  { ...paths.package, doc: docs.package },
  { ...paths.owners, doc: docs.owners },
  { ...paths.metadata, doc: docs.metadata },
  { ...paths.advisories, doc: docs.advisories },
  { ...paths.download, doc: docs.download },
  { ...paths.openapi, doc: docs.openapi },
  { from: 'redirect', pattern: 'index', status: 308, to: 'index/', doc: docs.indexFolder },
  { from: 'redirect', pattern: 'index/', status: 307, to: 'index/catalog.json', doc: docs.index },
  { from: 'redirect', pattern: 'openapi', status: 303, to: 'openapi/openapi.json', doc: docs.openapiFolder },
  { ...post, pattern: 'v1/packages/publish', handle: publish, doc: docs.publish },
  { ...post, pattern: `${ofVersion}/yank`, handle: yank, doc: docs.yank },
  { ...post, pattern: `${ofPackage}/owners`, handle: addOwner, doc: docs.addOwner },
  {
    ...api,
    method: 'DELETE',
    pattern: `${ofPackage}/owners/{handle}`,
    handle: removeOwner,
    doc: docs.removeOwner,
  },
  { ...post, pattern: `${ofVersion}/advisories`, handle: fileAdvisory, doc: docs.fileAdvisory },
  {
    ...post,
    pattern: `${ofVersion}/advisories/{id}/withdraw`,
    handle: withdrawAdvisory,
    doc: docs.withdrawAdvisory,
  },
  { ...get, pattern: 'v1/search', handle: search, doc: docs.search },
  { ...get, pattern: 'v1/archetypes', handle: listArchetypes, doc: docs.listArchetypes },
  { ...get, pattern: 'v1/archetypes/{name}', handle: showArchetype, doc: docs.showArchetype },
  { ...post, pattern: 'v1/auth/token', handle: checkToken, doc: docs.checkToken },
  { ...get, pattern: 'v1/account', handle: showAccount, doc: docs.showAccount },
  { ...get, pattern: 'v1/tokens', handle: listTokens, doc: docs.listTokens },
  { ...post, pattern: 'v1/tokens', handle: createToken, doc: docs.createToken },
  { ...post, pattern: 'v1/tokens/{token_id}/revoke', handle: revokeToken, doc: docs.revokeToken },
  { ...post, pattern: 'v1/admin/bootstrap', handle: bootstrap, doc: docs.bootstrap },
  { ...get, pattern: 'v1/auth/session', handle: showSession, doc: docs.showSession },
  { ...get, pattern: 'v1/auth/github/start', handle: refuseGitHub, doc: docs.startGitHub },
  { ...get, pattern: 'v1/auth/github/callback', handle: refuseGitHub, doc: docs.finishGitHub },
  { ...post, pattern: 'v1/auth/logout', handle: logout, doc: docs.logout },
];

const surface: Surface = {
  id: 'x07',
  reads: ['x07'],
  defaultMount: '/x07',
  hosts: { 'index.x07.io': 'index' },
  routes,
  doc,
  filesForRelease,
  filesForPackage,
  summarize,
  filesForRoot: (summaries, site) => filesForRoot(summaries, site, { id: 'x07', routes, doc }),
  environment,
  renderError,
};

export const x07: Ecosystem<'x07'> = {
  id: 'x07',
  rules,
  surfaces: [surface],
  signsWith: 'ed25519',
};
