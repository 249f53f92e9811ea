/** What depends on a question, or has no file. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import { answer } from '../pantry-answers.ts';
import { wholeNumber } from '../whole-number.ts';

const STANDARD_LIMIT = 20;
const MOST = 100;
const MAX_QUERY_LENGTH = 256;

/** `GET search?q=`: names, descriptions and keywords that have it in them, in the order of their names. */
export async function search(call: Call): Promise<HttpAnswer> {
  const query = (call.query.get('q') ?? '').toLowerCase();
  if (query.length > MAX_QUERY_LENGTH) throw new RegistryError('bad-request', 'Search query too long');
  const limit = Math.min(wholeNumber(call, 'limit') ?? STANDARD_LIMIT, MOST);
  const results: unknown[] = [];
  for (const { text } of await call.summaries()) {
    if (results.length >= limit) break;
    const found = JSON.parse(text) as { name: string; description?: string; keywords: string[] };
    const texts = [found.name, found.name.replaceAll('-', '_'), found.description ?? '', ...found.keywords];
    if (texts.some((one) => one.toLowerCase().includes(query))) results.push(found);
  }
  return answer(200, { results });
}

/** `packages/{name}/versions` of a package that is not there: an empty list, and no refusal. */
export async function versionsOfNothing(call: Call): Promise<HttpAnswer> {
  return answer(200, { name: call.params['name'] ?? '', versions: [] });
}
