import type { Ecosystem, Surface } from '../ecosystem.ts';
import { preflight } from '../open-to-all.ts';
import { renderError } from '../pantry-answers.ts';
import { filesForKey, filesForPackage, filesForRelease, summarize } from './files.ts';
import { canonicalPath, rules } from './names.ts';
import { doc, docs } from './openapi.ts';
import { paths } from './paths.ts';
import { publish, remove } from './publish.ts';
import { search } from './search.ts';

const routes: Surface['routes'] = [
  { ...paths.package, doc: docs.package },
  { ...paths.versions, doc: docs.versions },
  { ...paths.version, doc: docs.version },
  { ...paths.tarball, doc: docs.tarball },
  { ...paths.hash, doc: docs.hash },
  { ...paths.byHash, doc: docs.byHash },
  { from: 'api', method: 'GET', pattern: 'search', handle: search, doc: docs.search },
  { from: 'api', method: 'POST', pattern: 'publish', handle: publish, doc: docs.publish },
  { from: 'api', method: 'DELETE', pattern: 'packages/{name}', handle: remove, doc: docs.remove },
];

const surface: Surface = {
  id: 'zig',
  reads: ['zig'],
  defaultMount: '/zig',
  routes,
  doc,
  canonicalPath,
  preflight,
  takesBareTokens: true,
  filesForRelease,
  filesForPackage,
  filesForKey,
  summarize,
  filesForRoot: () => [],
  renderError,
};

/** The Pantry command line asks here before every publish, whatever the kind of package. */
const belowPantry: Surface = {
  ...surface,
  id: 'pantry-zig',
  below: { surface: 'pantry', path: 'zig', twin: 'zig' },
};

export const zig: Ecosystem<'zig'> = { id: 'zig', rules, surfaces: [surface, belowPantry] };
