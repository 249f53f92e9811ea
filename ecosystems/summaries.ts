/**
 * What each package contributes to the roots and to search, one line per package in ascending order of its key, kept
 * as one file per surface. The first line says how far in the log it is: up to the last event that everybody can read and that
 * concerns the surface, so that the file changes only when something of it does. A new root is a merge of that file with the
 * packages that changed: memory holds only those. A search starts from it, and follows the log from there.
 */
import type { Package } from '../core/package.ts';
import type { SiteContext, Summary, Surface } from './ecosystem.ts';

export function summariesPath(surfaceId: string): string {
  return `=summaries/${surfaceId}`;
}

/** What a surface says of a package; nothing of one that is not for everybody. */
export function summaryOf(of: Package, surface: Surface, site: SiteContext): Summary | undefined {
  return of.visibility === 'public' ? surface.summarize?.(of, site) : undefined;
}

const HEADER = '=';

/** The first line: the log up to `seq` is in the lines below it. */
export function summariesHeader(seq: number): string {
  return `${HEADER}\t${seq}\n`;
}

/** A line: the key, the name and the text, with tabs between them. None of the first two holds a tab. */
export function summaryLine(key: string, { name, text }: Summary): string {
  return `${key}\t${name}\t${text}\n`;
}

async function* linesOf(pieces: AsyncIterable<string>): AsyncIterable<string> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** The summaries as the roots read them; may be iterated more than once. */
export function summariesIn(open: () => AsyncIterable<string>): AsyncIterable<Summary> {
  return {
    async *[Symbol.asyncIterator]() {
      for await (const line of linesOf(open())) {
        const { key, summary } = readLine(line);
        if (key !== HEADER) yield summary;
      }
    },
  };
}

export interface Summaries {
  /** The log up to here is in them; 0 when there are none. */
  readonly seq: number;
  /** By key, in ascending order. */
  readonly byKey: Map<string, Summary>;
}

export function noSummaries(): Summaries {
  return { seq: 0, byKey: new Map() };
}

/** All of them in memory; the file itself is not. */
export async function readSummaries(pieces: AsyncIterable<string>): Promise<Summaries> {
  const byKey = new Map<string, Summary>();
  let seq = 0;
  for await (const line of linesOf(pieces)) {
    if (line === '') continue;
    const { key, summary } = readLine(line);
    if (key === HEADER) seq = Number(summary.name);
    else byKey.set(key, summary);
  }
  return { seq, byKey };
}

function readLine(line: string): { key: string; summary: Summary } {
  const afterKey = line.indexOf('\t');
  const afterName = line.indexOf('\t', afterKey + 1);
  const end = afterName === -1 ? line.length : afterName;
  const summary = { name: line.slice(afterKey + 1, end), text: line.slice(end + 1) };
  return { key: line.slice(0, afterKey), summary };
}

/** Old lines with the changed ones in their places; `undefined` drops a package. Yields pieces of many lines. */
export async function* mergeSummaries(
  old: AsyncIterable<string>,
  changed: ReadonlyMap<string, Summary | undefined>,
  seq: number,
): AsyncIterable<string> {
  const pending = [...changed].sort(([a], [b]) => (a < b ? -1 : 1));
  let next = 0;
  let piece = summariesHeader(seq);
  const takeUpTo = (key: string | undefined): void => {
    for (
      let entry = pending[next];
      entry && (key === undefined || entry[0] <= key);
      entry = pending[(next += 1)]
    )
      if (entry[1]) piece += summaryLine(entry[0], entry[1]);
  };
  for await (const line of linesOf(old)) {
    const key = line.slice(0, line.indexOf('\t'));
    if (key === HEADER) continue;
    takeUpTo(key);
    if (!changed.has(key)) piece += `${line}\n`;
    if (piece.length > 64 * 1024) {
      yield piece;
      piece = '';
    }
  }
  takeUpTo(undefined);
  yield piece;
}
