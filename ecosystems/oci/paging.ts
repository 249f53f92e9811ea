/** `n`, `last` and `Link`, as every list has them (contract, section 6). */
import { RegistryError } from '../../core/errors.ts';
import type { Call } from '../../core/route.ts';
import { quoted } from './names.ts';

export interface Page {
  readonly items: readonly string[];
  /** Where the next ones are, when there are any. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * @param sorted in ascending order of bytes
 * @throws RegistryError `bad-request` as `mostAsked` does
 */
export function pageOf(sorted: readonly string[], call: Call): Page {
  const last = call.query.get('last');
  const rest = last === null ? sorted : sorted.slice(firstAfter(sorted, last));
  const n = mostAsked(call);
  const items = rest.slice(0, n);
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  return { items, headers: { link: nextLink(call, { n: String(n), last: end }) } };
}

/**
 * How many entries a client wants at most; any number will do, however large.
 * @throws RegistryError `bad-request` unless `n` is a whole number
 */
export function mostAsked({ query }: Call): number {
  const text = query.get('n');
  if (text === null) return Infinity;
  if (/^\d+$/.test(text)) return Number(text);
  throw new RegistryError('bad-request', `n=${quoted(text)}: use a whole number from 0 on`);
}

/** The same request from another place on; below our own origin, since some clients go to no other. */
export function nextLink({ head, query }: Call, from: Readonly<Record<string, string>>): string {
  const next = new URLSearchParams([...query].filter(([name]) => !Object.hasOwn(from, name)));
  for (const [name, value] of Object.entries(from)) next.set(name, value);
  return `<${head.path.replaceAll(/%2f/gi, '/')}?${next.toString()}>; rel="next"`;
}

function firstAfter(sorted: readonly string[], last: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= last) low = middle + 1;
    else high = middle;
  }
  return low;
}
