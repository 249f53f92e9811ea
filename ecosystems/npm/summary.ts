/** What a package says of itself to searches and lists: one object, short whatever its manifest holds. */
import semver from 'semver';
import type { FiledAdvisory, Package, Release } from '../../core/package.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { distTags, readMeta } from './files.ts';
import { isObject, type Manifest } from './manifest.ts';

const MAX_DESCRIPTION_LENGTH = 255;
const MAX_KEYWORDS = 24;
const MAX_KEYWORD_LENGTH = 64;
const MAX_AUTHOR_LENGTH = 128;
const MAX_URL_LENGTH = 512;

/** Fields that say nothing are left out. */
export interface NpmSummary {
  readonly name: string;
  readonly version: string;
  readonly date: string;
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly author?: string;
  readonly publisher: string;
  readonly maintainers: readonly string[];
  readonly links: Readonly<Record<string, string>>;
  readonly stars?: readonly string[];
  readonly deprecated?: true;
  /** The latest version is before 1.0.0, or a pre-release. */
  readonly unstable?: true;
  /** There is a warning about the latest version. */
  readonly insecure?: true;
  /** There is a warning about some version: an audit has to look closer. */
  readonly advised?: true;
}

/** Of the version that `latest` is at; nothing of a package without versions. */
export function summarize(of: Package, { baseUrl }: SiteContext): Summary | undefined {
  const latest = of.releases.get(distTags(of)['latest'] ?? '');
  if (!latest) return undefined;
  const { manifest } = readMeta(latest);
  const description = textIn(manifest['description'], MAX_DESCRIPTION_LENGTH);
  const keywords = keywordsOf(manifest);
  const author = authorOf(manifest);
  const warnings = [...of.advisories.values()].filter(isWarning);
  const summary: NpmSummary = {
    name: of.name,
    version: latest.version,
    date: latest.publishedAt,
    ...(description === undefined ? {} : { description }),
    ...(keywords.length > 0 ? { keywords } : {}),
    ...(author === undefined ? {} : { author }),
    publisher: latest.publishedBy,
    maintainers: of.owners,
    links: { npm: `${baseUrl}/${of.name}`, ...linksOf(manifest) },
    ...(of.stars.size > 0 ? { stars: [...of.stars].sort() } : {}),
    ...flag('deprecated', latest.deprecated !== undefined || of.deprecated !== undefined),
    ...flag('unstable', semver.lt(latest.version, '1.0.0') || semver.prerelease(latest.version) !== null),
    ...flag(
      'insecure',
      warnings.some((advisory) => isAbout(advisory, latest)),
    ),
    ...flag('advised', warnings.length > 0),
  };
  return { name: of.name, text: JSON.stringify(summary) };
}

function flag<Name extends string>(name: Name, isSet: boolean): { [K in Name]?: true } {
  return (isSet ? { [name]: true } : {}) as { [K in Name]?: true };
}

/** Whether an advisory warns today. That a version is deprecated is said elsewhere. */
export function isWarning({ kind, withdrawnAt }: FiledAdvisory): boolean {
  return withdrawnAt === undefined && kind !== 'deprecated';
}

/** Pre-releases are in a range as in the clients' own audits. */
const rangeOptions = { includePrerelease: true, loose: true } as const;

/** Whether an advisory is about a version; one that names none is about all. */
export function isAbout({ versions, range }: FiledAdvisory, release: Pick<Release, 'version'>): boolean {
  if (versions === undefined && range === undefined) return true;
  const { version } = release;
  const isListedThere =
    versions?.some((other) => other === version || isSameVersion(other, version)) ?? false;
  return isListedThere || (range !== undefined && semver.satisfies(version, range, rangeOptions));
}

function isSameVersion(a: string, b: string): boolean {
  const [left, right] = [semver.parse(a), semver.parse(b)];
  return left !== null && left.version === right?.version;
}

/** What is set out like this in no summary but that of a package with a warning: quotes in texts are escaped. */
const ADVISED = '"advised":true';

/** Without reading it: audits ask this of every package that somebody has installed. */
export function hasWarnings({ text }: Summary): boolean {
  return text.includes(ADVISED);
}

const read = new WeakMap<Summary, NpmSummary>();

/** Parsed once: the same summaries are searched again and again. */
export function readSummary(summary: Summary): NpmSummary {
  const known = read.get(summary);
  if (known) return known;
  const parsed = JSON.parse(summary.text) as NpmSummary;
  read.set(summary, parsed);
  return parsed;
}

function textIn(value: unknown, most: number): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const text = value.trim();
  // By code points: half a surrogate pair is no text.
  return text.length > most ? `${[...text.slice(0, most)].slice(0, -1).join('')}…` : text;
}

/** A list, or one text with commas or spaces between them. */
function keywordsOf({ keywords }: Manifest): string[] {
  const list: unknown[] = typeof keywords === 'string' ? keywords.split(/[,\s]+/) : asList(keywords);
  const texts = list
    .slice(0, MAX_KEYWORDS * 4)
    .flatMap((keyword) => textIn(keyword, MAX_KEYWORD_LENGTH) ?? []);
  return [...new Set(texts)].slice(0, MAX_KEYWORDS);
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `Barney Rubble <b@rubble.example> (https://rubble.example)`, or an object: the name alone. */
function authorOf({ author }: Manifest): string | undefined {
  const name = isObject(author) ? author['name'] : author;
  return typeof name === 'string' ? textIn(name.replace(/[<(].*$/s, ''), MAX_AUTHOR_LENGTH) : undefined;
}

function linksOf(manifest: Manifest): Record<string, string> {
  const { homepage, repository, bugs } = manifest;
  const links = {
    homepage: linkIn(homepage),
    repository: linkIn(isObject(repository) ? repository['url'] : repository),
    bugs: linkIn(isObject(bugs) ? bugs['url'] : bugs),
  };
  return Object.fromEntries(
    Object.entries(links).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** As a browser may follow it: `git+https:` is a page as well; shorthands and what runs scripts are left out. */
function linkIn(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_URL_LENGTH) return undefined;
  const url = value.trim().replace(/^git\+(?=https?:)/, '');
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
}
