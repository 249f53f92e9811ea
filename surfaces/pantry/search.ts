/** `GET search?q=` (contract, section 5). */
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { upstreamFor } from '../../ecosystems/npm/fallback.ts';
import { answer } from '../../ecosystems/pantry-answers.ts';
import { wholeNumber } from '../../ecosystems/whole-number.ts';
import { foreignHits } from './fallback.ts';
import type { PantrySummary } from './files.ts';

const STANDARD_LIMIT = 20;
const MOST = 50;
const MAX_QUERY_LENGTH = 256;

/** Names, descriptions and keywords with the text in them, those with the most downloads first; then the other registry's. */
export async function search(call: Call, view: StateView): Promise<HttpAnswer> {
  const text = (call.query.get('q') ?? '').slice(0, MAX_QUERY_LENGTH);
  const limit = Math.min(wholeNumber(call, 'limit') ?? STANDARD_LIMIT, MOST);
  const wanted = text.toLowerCase();
  const hits = (await call.summaries())
    .filter((summary) => summary.text.toLowerCase().includes(JSON.stringify(wanted).slice(1, -1)))
    .map((summary) => JSON.parse(summary.text) as PantrySummary)
    .filter((hit) => textsOf(hit).some((one) => one.toLowerCase().includes(wanted)))
    .map((hit) => ({ ...hit, downloads: call.counters.statsOf(hit.name)?.totalDownloads ?? 0 }))
    .sort((a, b) => b.downloads - a.downloads || (a.name < b.name ? -1 : 1))
    .slice(0, limit);
  const others = await foreignHits(call, text, limit - hits.length);
  const known = new Set(hits.map(({ name }) => name));
  const foreign = others
    // What is ours is never theirs, also where we do not show it.
    .filter(({ name }) => !known.has(name) && upstreamFor(call, view, name) !== undefined)
    .slice(0, limit - hits.length)
    .map((hit) => ({ ...hit, downloads: 0 }));
  return answer(200, { results: [...hits, ...foreign] });
}

function textsOf({ name, description = '', keywords = [] }: PantrySummary): readonly string[] {
  return [name, description, ...keywords];
}
