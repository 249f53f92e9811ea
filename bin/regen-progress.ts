/** How far a long `regen` is: a line that is written over on a terminal, and a plain one now and then otherwise. */
import type { BuildProgress } from '../stores/bucket-site.ts';

const words: Record<BuildProgress['doing'], string> = {
  rendering: 'files rendered',
  comparing: 'objects compared',
  sending: 'files sent',
  removing: 'objects removed',
};
const LINES_EVERY_MS = 5_000;

/** Undefined where nobody wants to know. */
export function progressShown({
  json,
}: {
  readonly json?: boolean;
}): ((progress: BuildProgress) => void) | undefined {
  if (json) return undefined;
  const { stderr } = process;
  let last = Date.now();
  return ({ doing, done, of }) => {
    const text = `${done}${of === undefined ? '' : ` of ${of}`} ${words[doing]}`;
    if (stderr.isTTY) stderr.write(`\r\u001b[K${text}`);
    else if (Date.now() - last > LINES_EVERY_MS) {
      last = Date.now();
      stderr.write(`${text}\n`);
    }
  };
}

/** After the last of it. */
export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}
