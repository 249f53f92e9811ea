import type { Surface } from '../../ecosystems/ecosystem.ts';
import { canonicalPath as npmPath } from '../../ecosystems/npm/names.ts';
import { preflight } from '../../ecosystems/open-to-all.ts';
import { answer, renderError } from '../../ecosystems/pantry-answers.ts';
import {
  showReport,
  showRequestedVersions,
  showStats,
  showTimeline,
  showTop,
  takeEvents,
} from './analytics.ts';
import { bulkDownload } from './bulk-download.ts';
import { publishCommit } from './commits.ts';
import { countedFiles, countedPathsOf } from './counted-files.ts';
import { environment } from './environment.ts';
import { filesForKey, filesForPackage, filesForRef, filesForRelease, summarize } from './files.ts';
import { doc, docs } from './openapi.ts';
import { countedPaths, paths } from './paths.ts';
import { publish } from './publish.ts';
import { getResolve, postResolve } from './resolve.ts';
import { search } from './search.ts';

const api = { from: 'api' } as const;
const [get, post] = [
  { ...api, method: 'GET' },
  { ...api, method: 'POST' },
] as const;
const { all, top, stats, timeline } = countedPaths;

const routes: Surface['routes'] = [
  { ...paths.package, doc: docs.package },
  { ...paths.versions, doc: docs.versions },
  { ...paths.version, doc: docs.version },
  { ...paths.tarball, doc: docs.tarball },
  { ...paths.commit, doc: docs.commit },
  { ...paths.commitPackage, doc: docs.commitPackage },
  { ...paths.commitTarball, doc: docs.commitTarball },
  { ...paths.short, doc: docs.short },
  { ...post, pattern: 'publish', handle: publish, doc: docs.publish },
  { ...post, pattern: 'publish/commit', handle: publishCommit, doc: docs.publishCommit },
  { ...get, pattern: 'search', handle: search, doc: docs.search },
  { ...get, pattern: all.pattern, handle: showTop, doc: docs.analytics },
  { ...get, pattern: top.pattern, handle: showTop, doc: docs.top },
  { ...get, pattern: stats.pattern, handle: showStats, doc: docs.stats },
  { ...get, pattern: timeline.pattern, handle: showTimeline, doc: docs.timeline },
  {
    ...get,
    pattern: `${stats.pattern}/requested-versions`,
    handle: showRequestedVersions,
    doc: docs.requestedVersions,
  },
  { ...post, pattern: 'analytics/events', handle: takeEvents, doc: docs.takeEvents },
  ...(['install', 'install-on-request', 'build-error'] as const).flatMap((category) =>
    (['30d', '90d', '365d'] as const).flatMap((span) => [
      {
        ...get,
        pattern: `analytics/${category}/${span}`,
        handle: showReport(category, span),
        doc: docs.report(category, span),
      },
      {
        ...get,
        pattern: `api/analytics/${category}/${span}.json`,
        handle: showReport(category, span),
        doc: docs.report(category, span, 'Json'),
      },
    ]),
  ),
  { ...post, pattern: 'npm/resolve', handle: postResolve, doc: docs.postResolve },
  { ...get, pattern: 'npm/resolve/{+list}', handle: getResolve, doc: docs.getResolve },
  { ...post, pattern: 'registry/download', handle: bulkDownload, doc: docs.bulkDownload },
  { ...post, pattern: 'npm/download', handle: bulkDownload, doc: docs.bulkDownloadOfNpm },
  {
    ...get,
    pattern: 'health',
    handle: async (call) => answer(200, { status: 'ok', timestamp: call.now() }),
    doc: docs.health,
  },
];

/** A scoped name is one segment, and so are a list of names and the name of whatever is counted, such as `gnu.org/gcc`. */
function canonicalPath(path: string): string {
  const list = /^(\/npm\/resolve\/)(.+?)()$/.exec(path);
  const counted = /^(\/analytics\/)(.+?)(\/timeline|\/requested-versions|)$/.exec(path);
  const [, start = '', names = '', end = ''] = list ?? (counted && !isReport(path) ? counted : []);
  return start === '' ? npmPath(path) : start + names.replaceAll('/', '%2F') + end;
}

function isReport(path: string): boolean {
  return routes.some(({ pattern }) => path === `/${pattern}`);
}

/** Pantry's API over npm's packages; over Zig's it is `pantry-zig`, in their folder. */
export const pantry: Surface = {
  id: 'pantry',
  reads: ['npm'],
  defaultMount: '/pantry',
  routes,
  doc,
  canonicalPath,
  preflight,
  takesBareTokens: true,
  filesForRelease,
  filesForRef,
  filesForPackage,
  filesForKey,
  summarize,
  filesForRoot: () => [],
  environment,
  countedFiles,
  countedPaths: countedPathsOf,
  outsideLog: [all.pattern],
  renderError,
};
