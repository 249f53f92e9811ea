/** Search and archetypes (contract, section 9.8), over what each package says of itself in the catalog. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { Summary } from '../../core/site.ts';
import { wholeNumber } from '../whole-number.ts';
import { ok } from './answers.ts';
import type { CatalogItem } from './summary.ts';
import { readSummary } from './summary.ts';

const STANDARD_LIMIT = 20;
const MOST = 100;

/** `GET v1/search` */
export async function search(call: Call): Promise<HttpAnswer> {
  const { q, limit, offset } = pageOf(call);
  const onlyTested = flagOf(call, 'scale_tested');
  const hits = (await call.summaries()).filter(
    (summary) => summary.name.includes(q) && (!onlyTested || readSummary(summary).scaleTested),
  );
  const packages = hits.slice(offset, offset + limit).map((summary) => {
    const { item, modulesCount } = readSummary(summary);
    return {
      ...headOf(item),
      modules_count: modulesCount,
      ...(item.facets ? { facets: item.facets } : {}),
    };
  });
  return ok({ q, limit, offset, total: hits.length, packages });
}

/** `GET v1/archetypes` */
export async function listArchetypes(call: Call): Promise<HttpAnswer> {
  const { q, limit, offset } = pageOf(call);
  const wanted = q.toLowerCase();
  const groups = [...groupByArchetype(await call.summaries())].flatMap(([archetype, items]) => {
    const matching = archetype.includes(wanted) ? items : items.filter((item) => mentions(item, wanted));
    return matching.length === 0 ? [] : [group(archetype, matching)];
  });
  const archetypes = groups.slice(offset, offset + limit);
  return ok({ q, limit, offset, total: groups.length, archetypes });
}

/** `GET v1/archetypes/{name}` */
export async function showArchetype(call: Call): Promise<HttpAnswer> {
  const archetype = (call.params['name'] ?? '').trim().toLowerCase();
  if (archetype === '')
    throw new RegistryError('bad-request', 'an archetype is not blank', { surfaceCode: 'INVALID_ARCHETYPE' });
  const items = groupByArchetype(await call.summaries()).get(archetype);
  if (!items) throw new RegistryError('not-found', 'no package has this archetype');
  return ok(group(archetype, items));
}

function group(archetype: string, items: readonly CatalogItem[]): object {
  return { archetype, package_count: items.length, packages: items.map(headOf) };
}

/** In ascending order of archetype; packages in that of their names. */
function groupByArchetype(summaries: readonly Summary[]): ReadonlyMap<string, readonly CatalogItem[]> {
  const groups = new Map<string, CatalogItem[]>();
  for (const summary of summaries) {
    // Reading each of them would cost a second in a large registry, and few have one.
    if (!summary.text.includes('"archetype:')) continue;
    const { item } = readSummary(summary);
    for (const facet of item.facets ?? []) {
      if (!facet.startsWith('archetype:')) continue;
      const archetype = facet.slice('archetype:'.length);
      const known = groups.get(archetype);
      if (known) known.push(item);
      else groups.set(archetype, [item]);
    }
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function mentions({ name, description }: CatalogItem, text: string): boolean {
  return name.includes(text) || (description?.toLowerCase().includes(text) ?? false);
}

function headOf({ name, latest, is_official, description }: CatalogItem): object {
  return {
    name,
    latest_version: latest ?? null,
    is_official,
    ...(description === undefined ? {} : { description }),
  };
}

interface Page {
  readonly q: string;
  readonly limit: number;
  readonly offset: number;
}

function pageOf(call: Call): Page {
  return {
    q: (call.query.get('q') ?? '').trim(),
    limit: Math.min(wholeNumber(call, 'limit') ?? STANDARD_LIMIT, MOST),
    offset: wholeNumber(call, 'offset') ?? 0,
  };
}

function flagOf({ query }: Call, name: string): boolean {
  const text = query.get(name);
  if (text !== null && text !== 'true' && text !== 'false')
    throw new RegistryError('bad-request', `${name} must be true or false`);
  return text === 'true';
}
