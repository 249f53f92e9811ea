/**
 * What a package says of itself in searches and in the list of advisories: its line of the search index, a tab, and the
 * OSV documents about it. JSON writes a tab inside a text as `\t`.
 */
import type { Package } from '../../core/package.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { isPrerelease } from './names.ts';
import { osvDocuments, type OsvDocument } from './osv.ts';
import { ascending, deprecationOf, isOffered, type OriMeta } from './releases.ts';

/** As searches answer it, fields in their order. */
export interface Found {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: readonly string[];
  readonly deprecated: string | null;
}

/** Nothing of a package that has neither a version on offer nor an advisory. */
export function summarize(of: Package, site: SiteContext): Summary | undefined {
  const found = foundIn(of);
  const advisories = osvDocuments(of, site);
  if (!found && advisories.length === 0) return undefined;
  const text = `${found ? JSON.stringify(found) : ''}\t${advisories.length > 0 ? JSON.stringify(advisories) : ''}`;
  return { name: of.name, text };
}

/** The highest on offer; a pre-release, which is chosen only when it is named, where there is nothing else. */
function foundIn(of: Package): Found | undefined {
  const offered = ascending(of).filter(isOffered);
  const latest = offered.findLast(({ version }) => !isPrerelease(version)) ?? offered.at(-1);
  if (!latest) return undefined;
  const { description, keywords } = latest.meta as unknown as OriMeta;
  return {
    name: of.name,
    version: latest.version,
    description,
    keywords,
    deprecated: deprecationOf(latest, of),
  };
}

/** Its line of the search index; empty where no version is on offer. */
export function foundText({ text }: Summary): string {
  return text.slice(0, text.indexOf('\t'));
}

/** A list, as JSON; empty where there are none. */
export function advisoriesText({ text }: Summary): string {
  return text.slice(text.indexOf('\t') + 1);
}

const parsed = new WeakMap<Summary, Found | undefined>();

/** Parsed once: the same summaries are searched again and again. */
export function readFound(summary: Summary): Found | undefined {
  if (parsed.has(summary)) return parsed.get(summary);
  const text = foundText(summary);
  const found = text === '' ? undefined : (JSON.parse(text) as Found);
  parsed.set(summary, found);
  return found;
}

export function readAdvisories(summary: Summary): readonly OsvDocument[] {
  const text = advisoriesText(summary);
  return text === '' ? [] : (JSON.parse(text) as OsvDocument[]);
}
