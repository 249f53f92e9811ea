/**
 * The smallest surface that uses every part of its interface: files of releases, of refs, of packages and of the
 * root. It shows all that it may depend on, so that a projection that is not run when it should be shows as well.
 */
import type { Package } from '../../core/package.ts';
import type { Rules, RulesOf } from '../../core/rules.ts';
import { siteFile, type SiteFile, type SiteRoute } from '../../core/site.ts';
import type { Summary, Surface } from '../../ecosystems/ecosystem.ts';
import { asDigest } from '../../core/digest.ts';

const document = {
  from: 'site',
  contentType: 'application/json',
  cache: 'document',
  stored: 'file',
} as const;
const routes = {
  bytes: { ...document, cache: 'artifact', pattern: 'releases/{name}/{version}/bytes' },
  release: { ...document, pattern: 'releases/{name}/{version}/about' },
  ref: { ...document, pattern: 'refs/{name}/{ref}' },
  package: { ...document, pattern: 'packages/{name}' },
  folder: { ...document, pattern: 'packages', stored: 'index' },
  all: { ...document, pattern: 'all' },
} satisfies Record<string, SiteRoute>;

function* filesForPackage(of: Package, mount: string): Iterable<SiteFile> {
  const { releases, refs, advisories, ...rest } = of;
  const shown = { ...rest, releases: [...releases], refs: [...refs], advisories: [...advisories] };
  yield siteFile(mount, routes.package, { name: of.name }, JSON.stringify(shown));
}

export const toySurface: Surface = {
  id: 'toy',
  reads: ['x07'],
  defaultMount: '/toy',
  routes: [],
  doc: { title: 'Toys', schemas: {}, refusals: {} },
  *filesForRelease(release, of, { mount, baseUrl }) {
    const params = { name: of.name, version: release.version };
    const artifact = release.artifacts[0];
    if (artifact && release.withdrawnAt === undefined)
      yield siteFile(mount, routes.bytes, params, { blob: asDigest(artifact.digest), size: artifact.size });
    yield siteFile(mount, routes.release, params, JSON.stringify({ baseUrl, owners: of.owners, release }));
  },
  *filesForRef(name, ref, of, { mount }) {
    const target = [...of.releases.values()].find(
      ({ version, artifacts }) =>
        toyRules.versionKey(version) === toyRules.versionKey(ref.target) ||
        artifacts.some(({ digest }) => digest === ref.target),
    );
    yield siteFile(mount, routes.ref, { name: of.name, ref: name }, JSON.stringify({ ref, target }));
  },
  filesForPackage: (of, { mount }) => filesForPackage(of, mount),
  summarize: (of) => ({ name: of.name, text: `${of.releases.size} releases, ${of.changedAt}` }),
  *filesForRoot(summaries, { mount, baseUrl }) {
    yield siteFile(mount, routes.folder, {}, baseUrl);
    yield siteFile(mount, routes.all, {}, { stream: () => listed(summaries) });
  },
  renderError: (error) => ({ status: 500, body: error.code }),
};

async function* listed(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  for await (const { name, text } of summaries) yield `${name}: ${text}\n`;
}

/** Names and versions that may be spelled in several ways, where those of X07 have one spelling only. */
export const toyRules: Rules = {
  nameKey: (name) => name.toLowerCase().replaceAll('_', '-'),
  versionKey: (version) => version.toLowerCase(),
  compareVersions: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  ownedBy: 'package',
};

/** The same names, in namespaces: `<namespace>.<name>`. */
export const namespacedRules: Rules = {
  ...toyRules,
  ownedBy: 'namespace',
  namespaceOf: (name) => name.split('.')[0] ?? name,
};

export const toyRulesOf: RulesOf = () => toyRules;
