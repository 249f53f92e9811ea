/** What depends on a question, or on what was counted (contract, section 4). */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { Summary } from '../ecosystem.ts';
import { openToAll } from '../open-to-all.ts';
import { wholeNumber } from '../whole-number.ts';

const STANDARD_LIMIT = 20;
const MOST = 100;

/** What the roots and search know of a package. */
export interface RunSummary {
  /** Versions on offer. */
  readonly versions: number;
  /** Of the highest of them, as the client reads it. */
  readonly metadata: { readonly name: string; readonly version: string; readonly description: string };
}

export function summaryIn({ text }: Summary): RunSummary {
  return JSON.parse(text) as RunSummary;
}

/** `GET api/v1/search?q=`: names and descriptions that have the text in them, whatever its case. */
export async function search(call: Call): Promise<HttpAnswer> {
  const query = call.query.get('q')?.toLowerCase();
  if (query === undefined) throw new RegistryError('bad-request', 'say what to look for: ?q=text');
  const limit = Math.min(wholeNumber(call, 'limit') ?? STANDARD_LIMIT, MOST);
  const offset = wholeNumber(call, 'offset') ?? 0;
  const found: RunSummary['metadata'][] = [];
  for (const summary of await call.summaries()) {
    const { metadata } = summaryIn(summary);
    const texts = [metadata.name, metadata.description];
    if (texts.some((text) => text.toLowerCase().includes(query))) found.push(metadata);
  }
  const packages = found.sort(byNearness(query)).slice(offset, offset + limit);
  return json({ packages, total: found.length });
}

/** The name itself, then names that begin so, then all others; each by name, so that pages never overlap. */
function byNearness(query: string): (a: { name: string }, b: { name: string }) => number {
  const distance = ({ name }: { name: string }): number =>
    name === query ? 0 : name.startsWith(query) ? 1 : 2;
  return (a, b) => distance(a) - distance(b) || (a.name < b.name ? -1 : 1);
}

/** `GET api/v1/stats` */
export async function showStats(call: Call): Promise<HttpAnswer> {
  let [packages, versions, downloads] = [0, 0, 0];
  for (const summary of await call.summaries()) {
    packages += 1;
    versions += summaryIn(summary).versions;
    downloads += call.counters.statsOf(summary.name)?.totalDownloads ?? 0;
  }
  return json(statsDocument({ packages, versions, downloads }));
}

/** With a point in the last number, as upstream writes it. */
export function statsDocument({
  packages,
  versions,
  downloads,
}: {
  readonly packages: number;
  readonly versions: number;
  readonly downloads: number;
}): string {
  return `{"package_count":${packages},"version_count":${versions},"download_count":${downloads},"uptime_percent":100.0}`;
}

function json(body: object | string): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...openToAll },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}
