/**
 * What each package contributes to the roots, one line per package in ascending order of its key, kept as one file
 * per surface. A new root is a merge of that file with the packages that changed: memory holds only those.
 */
import type { Summary } from '../ecosystems/ecosystem.ts';

export function summariesPath(surfaceId: string): string {
  return `=summaries/${surfaceId}`;
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
        const [, name = '', text = ''] = line.split('\t', 3);
        yield { name, text };
      }
    },
  };
}

/** Old lines with the changed ones in their places; `undefined` drops a package. Yields pieces of many lines. */
export async function* mergeSummaries(
  old: AsyncIterable<string>,
  changed: ReadonlyMap<string, Summary | undefined>,
): AsyncIterable<string> {
  const pending = [...changed].sort(([a], [b]) => (a < b ? -1 : 1));
  let next = 0;
  let piece = '';
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
