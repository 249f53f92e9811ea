import type { Ecosystem, Surface } from '../ecosystem.ts';
import { filesForPackage, filesForRelease, filesForRoot } from './files.ts';
import { deprecate, unyank, yank } from './lifecycle.ts';
import { rules } from './names.ts';
import { doc, docs } from './openapi.ts';
import { canonicalPath, paths } from './paths.ts';
import { publish } from './publish.ts';
import { renderError } from './refusals.ts';
import { search } from './search.ts';
import { summarize } from './summary.ts';
import { transfer } from './transfer.ts';

const post = { from: 'api', method: 'POST' } as const;
const ofPackage = 'v1/packages/{scope}/{name}';
const ofVersion = `${ofPackage}/{version}`;

const surface: Surface = {
  id: 'ori',
  reads: ['ori'],
  defaultMount: '/ori',
  routes: [
    { ...paths.versions, doc: docs.versions },
    { ...paths.metadata, doc: docs.metadata },
    { ...paths.download, doc: docs.download },
    { ...post, pattern: `${ofPackage}/publish`, handle: publish, doc: docs.publish },
    { ...post, pattern: `${ofVersion}/yank`, handle: yank, doc: docs.yank },
    { ...post, pattern: `${ofVersion}/unyank`, handle: unyank, doc: docs.unyank },
    { ...post, pattern: `${ofVersion}/deprecate`, handle: deprecate, doc: docs.deprecate },
    { ...post, pattern: `${ofPackage}/transfer`, handle: transfer, doc: docs.transfer },
    { from: 'api', method: 'GET', pattern: 'v1/search', handle: search, doc: docs.search },
    { ...paths.searchIndex, doc: docs.searchIndex },
    { ...paths.advisories, doc: docs.advisories },
    { ...paths.advisoriesOf, doc: docs.advisoriesOf },
    { ...paths.advisory, doc: docs.advisory },
  ],
  doc,
  canonicalPath,
  refusesBadTokens: true,
  limits: { withToken: 1000, anonymous: 100 },
  filesForRelease,
  filesForPackage,
  summarize,
  filesForRoot,
  renderError,
};

export const ori: Ecosystem<'ori'> = { id: 'ori', rules, surfaces: [surface] };
