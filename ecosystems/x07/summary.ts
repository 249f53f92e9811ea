/** What a package says of itself in the catalog and in searches: its item as the catalog has it, a tab, the rest. */
import type { Summary } from '../../core/site.ts';

/** An item of the catalog (contract, section 4.2), fields in their order. */
export interface CatalogItem {
  readonly name: string;
  readonly is_official: boolean;
  // Left out and never null when every version is yanked: the user interface refuses the whole catalog.
  readonly latest?: string;
  readonly description?: string;
  readonly docs?: string;
  readonly facets?: readonly string[];
}

/** What only searches want to know, of the latest version. */
interface Rest {
  readonly modulesCount: number;
  readonly scaleTested: boolean;
}

export interface ReadSummary extends Rest {
  readonly item: CatalogItem;
}

/** JSON writes a tab inside a text as `\t`: the first real one ends the item. */
export function writeSummary({ item, ...rest }: ReadSummary): Summary {
  return { name: item.name, text: `${JSON.stringify(item)}\t${JSON.stringify(rest)}` };
}

/** The item as it stands in the catalog. */
export function itemText({ text }: Summary): string {
  return text.slice(0, text.indexOf('\t'));
}

const read = new WeakMap<Summary, ReadSummary>();

/** Parsed once: the same summaries are searched again and again. */
export function readSummary(summary: Summary): ReadSummary {
  const known = read.get(summary);
  if (known) return known;
  const item = itemText(summary);
  const rest = JSON.parse(summary.text.slice(item.length + 1)) as Rest;
  const parsed = { item: JSON.parse(item) as CatalogItem, ...rest };
  read.set(summary, parsed);
  return parsed;
}
