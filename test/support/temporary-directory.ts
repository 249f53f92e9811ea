import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** What a server that was still running wrote again: hooks run in the order in which they were made, ours first. */
const cameBack = new Set<string>();
process.once('exit', () => {
  for (const directory of cameBack) rmSync(directory, { recursive: true, force: true });
});

/** A fresh directory that is gone when the test is over. */
export async function temporaryDirectory(t: Pick<TestContext, 'after'>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-test-'));
  cameBack.add(directory);
  t.after(() => rm(directory, { recursive: true, force: true }).catch(() => undefined));
  return directory;
}
