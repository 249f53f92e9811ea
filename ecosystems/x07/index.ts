import type { Ecosystem, Surface } from '../ecosystem.ts';
import { filesForPackage, filesForRelease, filesForRoot, summarize } from './files.ts';
import { rules } from './names.ts';
import { paths } from './paths.ts';
import { renderError } from './refusals.ts';
import { publish, yank } from './writes.ts';

const surface: Surface = {
  id: 'x07',
  reads: ['x07'],
  defaultMount: '/x07',
  hosts: { 'index.x07.io': 'index' },
  routes: [
    ...Object.values(paths),
    { from: 'redirect', pattern: 'index', status: 308, to: 'index/' },
    { from: 'redirect', pattern: 'index/', status: 307, to: 'index/catalog.json' },
    { from: 'redirect', pattern: 'openapi', status: 303, to: 'openapi/openapi.json' },
    { from: 'api', method: 'POST', pattern: 'v1/packages/publish', handle: publish },
    { from: 'api', method: 'POST', pattern: 'v1/packages/{name}/{version}/yank', handle: yank },
  ],
  filesForRelease,
  filesForPackage,
  summarize,
  filesForRoot,
  renderError,
};

export const x07: Ecosystem<'x07'> = { id: 'x07', rules, surfaces: [surface] };
