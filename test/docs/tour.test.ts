/** Runs the README's tour as a newcomer would, and holds every line of its output against what comes out. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = new URL('../..', import.meta.url).pathname;

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

test('the tour of the README does what it shows', async (t) => {
  const directory = await temporaryDirectory(t);
  const data = join(directory, 'cairn-data');
  const server = await startServer({ data, env: { CAIRN_ADMIN_TOKEN: 'secret' } });
  t.after(() => server.stop());
  const steps = stepsOf(readFileSync(join(root, 'README.md'), 'utf8'));
  assert.ok(steps.length >= 10, `the tour has ${steps.length} steps`);
  for (const { command, output } of steps) {
    const here = command
      .replaceAll('http://127.0.0.1:8080', server.url)
      .replaceAll('cairn-data', data)
      .replaceAll('acme-hello.x07pkg', join(directory, 'acme-hello.x07pkg'));
    const printed = execFileSync('bash', ['-c', here], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, CAIRN_DATA: data },
    });
    assert.match(printed.trim(), patternOf(output), command);
  }
});
