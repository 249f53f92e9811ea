/** `GET v1/search` (contract, section 6): what fits best first, and among equals by name. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import { wholeNumber } from '../whole-number.ts';
import { json } from './answers.ts';
import { readFound, type Found } from './summary.ts';

const STANDARD_LIMIT = 20;
const MOST = 100;
const MAX_QUERY_LENGTH = 256;

export async function search(call: Call): Promise<HttpAnswer> {
  const query = (call.query.get('q') ?? '').trim();
  if (query === '') throw new RegistryError('bad-request', 'say what to look for: ?q=json');
  if (query.length > MAX_QUERY_LENGTH)
    throw new RegistryError('bad-request', `q has more than ${MAX_QUERY_LENGTH} characters`);
  const limit = Math.min(wholeNumber(call, 'limit') ?? STANDARD_LIMIT, MOST);
  const offset = wholeNumber(call, 'offset') ?? 0;
  const wanted = query.toLowerCase();
  const hits: { readonly rank: number; readonly found: Found }[] = [];
  for (const summary of await call.summaries()) {
    const found = readFound(summary);
    const rank = found ? rankOf(found, wanted) : undefined;
    if (found && rank !== undefined) hits.push({ rank, found });
  }
  hits.sort((a, b) => a.rank - b.rank || (a.found.name < b.found.name ? -1 : 1));
  const results = hits.slice(offset, offset + limit).map(({ found }) => found);
  return json(200, { query, total: hits.length, results });
}

/** How well it fits, 0 being best; undefined where it does not. People leave the scope out, or its `@`. */
function rankOf({ name, keywords, description }: Found, wanted: string): number | undefined {
  const spellings = [name, name.slice(1), name.slice(name.indexOf('/') + 1)];
  if (spellings.includes(wanted)) return 0;
  if (spellings.some((spelling) => spelling.startsWith(wanted))) return 1;
  if (name.includes(wanted)) return 2;
  if (keywords.some((keyword) => keyword.toLowerCase().includes(wanted))) return 3;
  return description.toLowerCase().includes(wanted) ? 4 : undefined;
}
