/** Follows the README's tour: runs its commands and holds what they print against what it shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

const readme = new URL('../../README.md', import.meta.url);

interface Step {
  readonly command: string;
  readonly output: string;
}

/** The `$ command` lines of the console blocks, each with the lines that follow it. */
function stepsOf(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter(Boolean)
      .map((text) => {
        const [command = '', ...output] = text.split('\n');
        return { command, output: output.join('\n').trim() };
      }),
  );
}

/** What a document shows, as a pattern: `…` stands for what varies. */
function patternOf(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^\\n]*?')}$`);
}

export interface TourOptions {
  readonly url: string;
  readonly data: string;
  /** What stands in the README, and what stands for it here, beside the server's URL and its data. */
  readonly here: Readonly<Record<string, string>>;
  /** Runs a line of shell with `CAIRN_DATA` set; what it printed. */
  run(command: string): string;
}

export async function followTour({ url, data, here, run }: TourOptions): Promise<void> {
  const steps = stepsOf(readFileSync(readme, 'utf8'));
  assert.ok(steps.length >= 10, `the tour has ${steps.length} steps`);
  for (const { command, output } of steps) {
    const places = { 'http://127.0.0.1:8080': url, '127.0.0.1:8080': new URL(url).host };
    const replaced = Object.entries({ ...places, 'cairn-data': data, ...here }).reduce(
      (text, [shown, meant]) => text.replaceAll(shown, meant),
      command,
    );
    // A person takes longer to type than a catalog may be late; `rm` fails where something is added meanwhile.
    if (command.startsWith('rm ')) await atRest(data);
    assert.match(run(replaced).trim(), patternOf(output), command);
  }
}

function atRest(data: string): Promise<void> {
  const seqOf = (record: string): number =>
    (JSON.parse(readFileSync(join(data, 'site', record), 'utf8')) as { seq: number }).seq;
  return eventually(async () => assert.equal(seqOf('=roots.json'), seqOf('=progress.json')));
}
