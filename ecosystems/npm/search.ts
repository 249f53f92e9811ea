/** Search and lists (contract, sections 6, 8 and 9), over what each public package says of itself. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { Summary } from '../../core/site.ts';
import { wholeNumber } from '../whole-number.ts';
import { answer } from './answers.ts';
import { personOf } from './files.ts';
import { scopeOf } from './names.ts';
import { readQuery, type Query } from './query.ts';
import { readSummary, type NpmSummary } from './summary.ts';

const STANDARD_SIZE = 20;
const MOST = 250;

/** `GET -/v1/search` */
export async function search(call: Call): Promise<HttpAnswer> {
  const size = Math.min(wholeNumber(call, 'size') ?? STANDARD_SIZE, MOST);
  const from = wholeNumber(call, 'from') ?? 0;
  // How a client would weigh what nobody measures here.
  for (const name of ['quality', 'popularity', 'maintenance']) checkWeight(call, name);
  const query = readQuery(call.query.get('text') ?? '');
  const hits = find(await call.summaries(), query);
  return answer(200, {
    objects: hits.slice(from, from + size).map(objectOf),
    total: hits.length,
    time: new Date(call.now()).toUTCString(),
  });
}

interface Hit {
  readonly summary: Summary;
  readonly relevance: number;
}

/** The best first; equals in the order of their names, as the summaries are. */
function find(summaries: readonly Summary[], query: Query): readonly Hit[] {
  // Reading each of them would cost a second in a large registry, and much memory.
  if (query.isEmpty) return summaries.map((summary) => ({ summary, relevance: 1 }));
  const hits: Hit[] = [];
  for (const summary of summaries) {
    if (!query.mayMatch(summary.text)) continue;
    const relevance = query.relevanceOf(readSummary(summary));
    if (relevance > 0) hits.push({ summary, relevance });
  }
  return hits.sort((a, b) => b.relevance - a.relevance);
}

function objectOf({ summary, relevance }: Hit): object {
  const read = readSummary(summary);
  const { name, version, description, keywords, date, links, publisher, maintainers } = read;
  return {
    package: {
      name,
      scope: scopeOf(name)?.slice(1) ?? 'unscoped',
      version,
      ...(description === undefined ? {} : { description }),
      keywords: keywords ?? [],
      date,
      links,
      publisher: userOf(publisher),
      maintainers: maintainers.map(userOf),
    },
    score: { final: relevance, detail: { quality: 1, popularity: 1, maintenance: 1 } },
    searchScore: relevance,
  };
}

function userOf(handle: string): { username: string; email: string } {
  return { username: handle, email: personOf(handle).email };
}

/** `GET -/_view/starredByUser?key="alice"` */
export async function starredByUser(call: Call): Promise<HttpAnswer> {
  const handle = keyIn(call.query.get('key'));
  const stars = await listOf(call, handle, ({ stars = [] }) => stars.includes(handle));
  return answer(200, { rows: stars.map((name) => ({ value: name })) });
}

/** The parameter is JSON. */
function keyIn(text: string | null): string {
  try {
    const key: unknown = JSON.parse(text ?? '');
    if (typeof key === 'string') return key;
  } catch {
    // Said below, as of any other value.
  }
  throw new RegistryError('bad-request', 'key must be a name as a JSON text, such as "alice"');
}

/** `GET -/user/{user}/package`: what an account may publish. */
export async function packagesOfUser(call: Call): Promise<HttpAnswer> {
  const { user = '' } = call.params;
  return permissions(await listOf(call, user, ({ maintainers }) => maintainers.includes(user)), user);
}

/** `GET -/org/{org}/package`: packages of a scope. Where there are none, npm asks for those of a user of this name. */
export async function packagesOfScope(call: Call): Promise<HttpAnswer> {
  const { org = '' } = call.params;
  const prefix = `@${org}/`;
  const names = (await call.summaries()).map(({ name }) => name).filter((name) => name.startsWith(prefix));
  return permissions(names, org);
}

function permissions(names: readonly string[], of: string): HttpAnswer {
  if (names.length === 0) throw new RegistryError('not-found', `no packages of ${of}`);
  return answer(200, Object.fromEntries(names.map((name) => [name, 'write'])));
}

/** Names of packages that mention a handle in the way that is asked for, in their order. */
async function listOf(
  call: Call,
  handle: string,
  isWanted: (summary: NpmSummary) => boolean,
): Promise<readonly string[]> {
  const quoted = JSON.stringify(handle);
  return (await call.summaries())
    .filter((summary) => summary.text.includes(quoted) && isWanted(readSummary(summary)))
    .map(({ name }) => name);
}

function checkWeight({ query }: Call, name: string): void {
  const text = query.get(name);
  if (text === null || /^\d{1,9}(\.\d{1,20})?$/.test(text)) return;
  throw new RegistryError('bad-request', `${name} must be a number, such as 0.5`);
}
