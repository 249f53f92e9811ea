/** Pages for people. They need no script, and nothing from anywhere else. */
import type { Package, Release } from '../../core/package.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { escapedHtml } from '../escaped-html.ts';
import { artifactOf, artifactUrl, listedOf, metaOf, usualTargets } from './metadata.ts';
import { encoded, repositoryOf } from './names.ts';
import { summaryIn } from './search.ts';

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}' +
  'table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem .3rem 0;vertical-align:top}' +
  'pre,code{font:14px/1.5 ui-monospace,monospace}pre{background:#0001;padding:.6rem;overflow:auto}' +
  '@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}a{color:#8ab4f8}pre{background:#fff1}}';

function* page(title: string, content: Iterable<string>): Iterable<string> {
  yield (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<title>${escapedHtml(title)}</title><style>${style}</style><h1>${escapedHtml(title)}</h1>`
  );
  yield* content;
  yield '</html>\n';
}

/** `/` */
export function homePage(site: SiteContext): string {
  const configuration = `[registry]\nurl = "${site.baseUrl}"`;
  return [
    ...page('WebAssembly components', [
      `<p>A registry for <code>run v2 publish</code> and <code>run v2 install</code>: <a href="${pathOf(site, 'browse')}">browse what is here</a>.</p>`,
      `<p>In <code>run.toml</code>:</p>${code(configuration)}`,
      `<p>OCI clients find the same components below <code>${escapedHtml(hostOf(site))}/wasm/</code>.</p>`,
    ]),
  ].join('');
}

/** `/browse`: a row for each package, however many there are. */
export async function* browsePage(
  summaries: AsyncIterable<Summary>,
  site: SiteContext,
): AsyncIterable<string> {
  const [head = '', end = ''] = page('Components', []);
  let piece = `${head}<p><a href="${pathOf(site, '')}">About this registry</a></p><table>`;
  let isEmpty = true;
  for await (const summary of summaries) {
    const { metadata } = summaryIn(summary);
    const link = `<a href="${linkTo(site, metadata.name)}">${escapedHtml(metadata.name)}</a>`;
    piece += `<tr><td>${link}<td>${escapedHtml(metadata.version)}<td>${escapedHtml(metadata.description)}\n`;
    isEmpty = false;
    if (piece.length < 64 * 1024) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}</table>${isEmpty ? '<p>Nothing is published yet.</p>' : ''}${end}`;
}

/** `/browse/{name}`; undefined where all bytes are gone. */
export function packagePage(of: Package, site: SiteContext): string | undefined {
  const there = [...of.releases.values()].filter((release) => artifactOf(release, 'component'));
  const newest = listedOf(of).at(-1) ?? there.at(-1);
  return newest && [...page(of.name, contentOf(of, newest, there, site))].join('');
}

function* contentOf(
  of: Package,
  newest: Release,
  releases: readonly Release[],
  site: SiteContext,
): Iterable<string> {
  const {
    description,
    license,
    repository,
    witUrl,
    dependencies = [],
    targets,
    imports,
    exports,
  } = metaOf(newest);
  const deprecated = newest.deprecated ?? of.deprecated;
  yield `<p><a href="${pathOf(site, 'browse')}">All components</a></p><p>${escapedHtml(description)}</p>`;
  if (deprecated) yield `<p><strong>Deprecated.</strong> ${escapedHtml(deprecated.message ?? '')}</p>`;
  yield code(`run v2 install ${of.name}@${newest.version}`);
  yield code(`${hostOf(site)}/wasm/${repositoryOf(of.name)}:${newest.version}`);
  yield '<table>';
  yield row('License', license);
  yield row('Repository', repository, linked);
  yield row('WIT', witUrl, linked);
  yield row('Targets', (targets ?? usualTargets).join(', '));
  yield row('Depends on', dependencies.map(({ name, version }) => `${name} ${version}`).join(', '));
  yield row('Exports', exports?.join(', '));
  yield row('Imports', imports?.join(', '));
  yield '</table><h2>Versions</h2><table>';
  for (const release of [...releases].reverse()) yield versionRow(of.name, release, site);
  yield '</table>';
}

function versionRow(name: string, release: Release, { baseUrl }: SiteContext): string {
  const { version, publishedAt, yanked } = release;
  const { digest = '', size = 0 } = artifactOf(release, 'component') ?? {};
  const url = escapedHtml(artifactUrl(baseUrl, name, version));
  const said = yanked ? `<s>${escapedHtml(version)}</s> yanked` : escapedHtml(version);
  return `<tr><td><a href="${url}">${said}</a><td>${publishedAt.slice(0, 10)}<td>${size} bytes<td><code>${digest}</code>\n`;
}

function row(title: string, value: string | undefined, show = escapedHtml): string {
  return value === undefined || value === '' ? '' : `<tr><th>${title}<td>${show(value)}\n`;
}

/** Whoever publishes says what stands there: a script is no address. */
function linked(url: string): string {
  const text = escapedHtml(url);
  return /^https?:\/\//i.test(url) ? `<a href="${text}" rel="nofollow noopener">${text}</a>` : text;
}

function code(text: string): string {
  return `<pre>${escapedHtml(text)}</pre>`;
}

function linkTo(site: SiteContext, name: string): string {
  return pathOf(site, `browse/${encoded(name)}`);
}

function pathOf({ mount }: SiteContext, path: string): string {
  return `${mount === '/' ? '' : mount}/${path}`;
}

function hostOf({ settings }: SiteContext): string {
  return new URL(settings.publicUrl).host;
}

/** What people see where there is no such component. */
export function missingPage(): string {
  return [...page('No such component', ['<p>Nothing of that name is published here.</p>'])].join('');
}
