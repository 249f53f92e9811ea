import type { Ecosystem, Surface } from '../ecosystem.ts';
import { preflight } from '../open-to-all.ts';
import { environment } from './environment.ts';
import { filesForPackage, filesForRelease, filesForRoot, summarize } from './files.ts';
import { canonicalPath, faultOfMount, rules } from './names.ts';
import { ociSurfaces } from './oci-surfaces.ts';
import { doc, docs } from './openapi.ts';
import { paths } from './paths.ts';
import { publish } from './publish.ts';
import { renderError } from './refusals.ts';
import { search } from './search.ts';

const routes: Surface['routes'] = [
  { from: 'api', method: 'POST', pattern: 'api/v1/packages', handle: publish, doc: docs.publish },
  { ...paths.versions, doc: docs.versions },
  { ...paths.metadata, doc: docs.metadata },
  { ...paths.artifact, doc: docs.artifact },
  { from: 'api', method: 'GET', pattern: 'api/v1/search', handle: search, doc: docs.search },
  { ...paths.stats, doc: docs.stats },
  { ...paths.health, doc: docs.health },
  { ...paths.packages, doc: docs.packages },
  { ...paths.home, doc: docs.home },
  { ...paths.browse, doc: docs.browse },
  { ...paths.packagePage, doc: docs.packagePage },
];

/**
 * What upstream's README says, by whom and however asked; its code counts nothing. The client reads four times per package, and three
 * times what is not there: whoever installs more than thirty packages in a minute needs a higher one, or files that nobody counts.
 */
const limits = { withToken: 120, anonymous: 120 } as const;

const surface: Surface = {
  id: 'run',
  reads: ['run'],
  defaultMount: '/run',
  faultOfMount,
  routes,
  doc,
  canonicalPath,
  preflight,
  limits,
  filesForRelease,
  filesForPackage,
  summarize,
  filesForRoot,
  environment,
  renderError,
};

export const run: Ecosystem<'run'> = { id: 'run', rules, surfaces: [surface, ...ociSurfaces] };
