import type { Ecosystem, Surface } from '../ecosystem.ts';
import { auditBulk, auditTree } from './audit.ts';
import { deletePackage, deleteTarball, putRevision } from './changes.ts';
import { filesForPackage, filesForRef, filesForRelease, filesForRoot } from './files.ts';
import { finishLogIn, getUser, logOut, pollLogIn, putUser, showLogIn, startLogIn, whoAmI } from './log-in.ts';
import { canonicalPath, rules } from './names.ts';
import { doc, docs } from './openapi.ts';
import { paths } from './paths.ts';
import { putDocument } from './publish.ts';
import { renderError } from './refusals.ts';
import { deleteDistTag, deleteStar, postAccess, putDistTag, putStar } from './small-writes.ts';
import { changeProfile, createToken, listTokens, revokeToken, showProfile } from './tokens.ts';
import { packagesOfScope, packagesOfUser, search, starredByUser } from './search.ts';
import { summarize } from './summary.ts';

const api = { from: 'api' } as const;
const [get, post, put, del] = [
  { ...api, method: 'GET' },
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
  { ...paths.advisories, doc: docs.advisories },
  { ...put, pattern: '{+name}', handle: putDocument, doc: docs.putDocument },
  { ...put, pattern: '{+name}/-rev/{rev}', handle: putRevision, doc: docs.putRevision },
  { ...del, pattern: '{+name}/-rev/{rev}', handle: deletePackage, doc: docs.deletePackage },
  { ...del, pattern: '{+name}/-/{file}/-rev/{rev}', handle: deleteTarball, doc: docs.deleteTarball },
  { ...put, pattern: `${ofPackage}/dist-tags/{tag}`, handle: putDistTag, doc: docs.putDistTag },
  { ...del, pattern: `${ofPackage}/dist-tags/{tag}`, handle: deleteDistTag, doc: docs.deleteDistTag },
  { ...post, pattern: `${ofPackage}/access`, handle: postAccess, doc: docs.postAccess },
  { ...put, pattern: '-/user/{user}', handle: putUser, doc: docs.putUser },
  { ...get, pattern: '-/user/{user}', handle: getUser, doc: docs.getUser },
  { ...del, pattern: '-/user/token/{secret}', handle: logOut, doc: docs.logOut },
  { ...post, pattern: '-/v1/login', handle: startLogIn, doc: docs.startLogIn },
  { ...get, pattern: '-/v1/login/cli/{id}', handle: showLogIn, doc: docs.showLogIn },
  { ...post, pattern: '-/v1/login/cli/{id}', handle: finishLogIn, doc: docs.finishLogIn },
  { ...put, pattern: '-/user/package/{+name}/star', handle: putStar, doc: docs.putStar },
  { ...del, pattern: '-/user/package/{+name}/star', handle: deleteStar, doc: docs.deleteStar },
  { ...get, pattern: '-/v1/done', handle: pollLogIn, doc: docs.pollLogIn },
  { ...get, pattern: '-/whoami', handle: whoAmI, doc: docs.whoAmI },
  { ...get, pattern: '-/npm/v1/tokens', handle: listTokens, doc: docs.listTokens },
  { ...post, pattern: '-/npm/v1/tokens', handle: createToken, doc: docs.createToken },
  { ...del, pattern: '-/npm/v1/tokens/token/{key}', handle: revokeToken, doc: docs.revokeToken },
  { ...get, pattern: '-/npm/v1/user', handle: showProfile, doc: docs.showProfile },
  { ...post, pattern: '-/npm/v1/user', handle: changeProfile, doc: docs.changeProfile },
  { ...get, pattern: '-/v1/search', handle: search, doc: docs.search },
  { ...get, pattern: '-/_view/starredByUser', handle: starredByUser, doc: docs.starredByUser },
  { ...get, pattern: '-/user/{user}/package', handle: packagesOfUser, doc: docs.packagesOfUser },
  { ...get, pattern: '-/org/{org}/package', handle: packagesOfScope, doc: docs.packagesOfScope },
  { ...post, pattern: '-/npm/v1/security/advisories/bulk', handle: auditBulk, doc: docs.auditBulk },
  { ...post, pattern: '-/npm/v1/security/audits/quick', handle: auditTree, doc: docs.auditQuick },
  { ...post, pattern: '-/npm/v1/security/audits', handle: auditTree, doc: docs.auditTree },
];

const surface: Surface = {
  id: 'npm',
  reads: ['npm'],
  defaultMount: '/npm',
  routes,
  doc,
  takesBasic: true,
  canonicalPath,
  filesForRelease,
  filesForRef,
  filesForPackage,
  summarize,
  filesForRoot,
  renderError,
};

export const npm: Ecosystem<'npm'> = {
  id: 'npm',
  rules,
  surfaces: [surface],
  signsWith: 'ecdsa-sha2-nistp256',
};
