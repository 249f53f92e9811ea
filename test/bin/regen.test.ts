/** When `regen` may end without a look at the log. */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { layout } from '../../bin/layout.ts';
import { createRegistry, openRegistry } from '../../bin/open-registry.ts';
import { eventsWhenCurrent, regen } from '../../bin/regen.ts';
import { LogDamage } from '../../core/errors.ts';
import type { SiteProgress } from '../../core/ports.ts';
import { ForeignSite } from '../../generator/generator.ts';
import { commitByHand, git } from '../support/git.ts';
import { someSettings } from '../support/registry.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Made {
  readonly data: string;
  readonly log: string;
  readonly site: string;
}

/** A registry of one event, stopped, with its site. */
async function aRegistry(t: TestContext): Promise<Made> {
  const data = await temporaryDirectory(t);
  const registry = await openRegistry({ dataDirectory: data });
  await createRegistry(registry, someSettings({ mounts: { x07: '/x07' } }));
  await registry.generator.update();
  await registry.close();
  return { data, ...layout(data) };
}

async function change(site: string, record: string, over: object): Promise<void> {
  const path = join(site, record);
  const value = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...value, ...over }));
}

test('a site that is what the log says is told by three small files: the objects of the log are not read', async (t) => {
  const { data, log, site } = await aRegistry(t);
  assert.equal(await eventsWhenCurrent(log, site), 1);
  await rm(join(log, 'objects'), { recursive: true });
  await rm(join(log, 'cairn-copy.ndjson'));
  await regen(data, {});
  await assert.rejects(regen(data, { full: true }), LogDamage);
});

const progress = '=progress.json';
const roots = '=roots.json';

const oddities: Record<string, (made: Made) => Promise<unknown> | void> = {
  'was made by another revision': ({ site }) => change(site, progress, { revision: 0 }),
  'has roots of another revision': ({ site }) => change(site, roots, { revision: 0 }),
  'has roots that lag behind': ({ site }) => change(site, roots, { seq: 0 }),
  'has a step that was begun': ({ site }) => change(site, progress, { claim: { toSeq: 2 } }),
  'stands at another commit': ({ site }) => change(site, progress, { head: '0'.repeat(40) }),
  'is ahead of its commit': async ({ site }) => {
    await change(site, progress, { seq: 2 });
    await change(site, roots, { seq: 2 });
  },
  'has a record that says nothing of its commit': ({ site }) =>
    change(site, progress, { headSeq: undefined } satisfies { [K in keyof SiteProgress]?: undefined }),
  'has no record': ({ site }) => rm(join(site, progress)),
  'has no record of its roots': ({ site }) => rm(join(site, roots)),
  'has a record that is not whole': ({ site }) => writeFile(join(site, progress), '{"registry":'),
  'has a record that is nothing': ({ site }) => writeFile(join(site, progress), 'null'),
  'is not there': ({ site }) => rm(site, { recursive: true }),
  'has a log that has grown': ({ log }) =>
    commitByHand(log, (files) => files.set('log/0000/000001.ndjson', '{}\n')),
  'has a log without its branch': ({ log }) => void git(log, ['update-ref', '-d', 'refs/heads/main']),
  'has no log': ({ log }) => rm(log, { recursive: true }),
};

for (const [oddity, make] of Object.entries(oddities))
  test(`a site that ${oddity} is not taken for what the log says`, async (t) => {
    const made = await aRegistry(t);
    await make(made);
    assert.equal(await eventsWhenCurrent(made.log, made.site), undefined);
  });

test('the site of another registry is refused as before', async (t) => {
  const [one, other] = [await aRegistry(t), await aRegistry(t)];
  await assert.rejects(regen(one.data, { out: other.site }), ForeignSite);
});
