import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from '../../core/decide.ts';
import { digestOf } from '../../core/digest.ts';
import { SITE_REVISION } from '../../generator/records.ts';
import { anActor, openWorld, publishOf, someSettings } from '../support/registry.ts';
import { contentOf } from '../support/histories.ts';
import { manifestOf } from '../support/x07-package.ts';

const golden = new URL('golden-site.txt', import.meta.url);

/** One package of each kind that shows differently, with a fixed clock and fixed identities. */
async function aSmallSite(): Promise<Record<string, string>> {
  const world = await openWorld({
    settings: someSettings({
      mounts: { x07: '/x07' },
      x07: { officialOwner: 'x07', verifiedNamespaces: ['ext'] },
    }),
  });
  const [ann, official] = [anActor('ann'), anActor('x07')];
  const of = (name: string): { ecosystem: 'x07'; name: string } => ({ ecosystem: 'x07', name });
  const rich = manifestOf({
    name: 'ext-db-postgres',
    version: '1.0.0',
    manifest: {
      description: 'Grüße "quoted" </script>',
      meta: {
        x07c_compat: '*',
        archetype: 'Service',
        scale_classes_supported: ['edge-1'],
        scale_tested: true,
        ratio: 0.5,
      },
    },
  });
  await world.generator.update();
  for (const version of ['1.0.0', '1.10.0', '1.9.0', '2.0.0-rc.1'])
    await world.publish('foo', version, { actor: ann });
  await world.execute(
    publishOf('ext-db-postgres', '1.0.0', { meta: { manifest: JSON.stringify(rich) } }),
    official,
  );
  for (const name of ['a', 'ab', 'gone', 'yanked', 'hidden'])
    await world.publish(name, '1.0.0', { actor: ann });
  const commands: Command[] = [
    { kind: 'yank', ...of('foo'), version: '2.0.0-rc.1' },
    { kind: 'withdraw', ...of('foo'), version: '1.9.0' },
    { kind: 'add-owner', ...of('foo'), owner: 'bob' },
    {
      kind: 'file-advisory',
      ...of('foo'),
      advisory: { id: 'A-1', kind: 'security', severity: 'high', summary: 'It leaks.', versions: ['1.0.0'] },
    },
    { kind: 'withdraw', ...of('gone') },
    { kind: 'yank', ...of('yanked'), version: '1.0.0' },
    { kind: 'set-visibility', ...of('hidden'), visibility: 'private' },
  ];
  for (const command of commands) await world.execute(command, ann);
  await world.generator.update();
  await world.generator.updateRoots();
  return contentOf(world.site);
}

/** Nobody reads a longer file by eye: it stands here by its digest. */
const MAX_LINES = 100;

/** Paths as headings, bodies indented, JSON as it is: one line of a diff per line that a client would see change. */
function asText(site: Record<string, string>): string {
  const files = Object.entries(site).map(([path, body]) => {
    const lines = body.split('\n').length;
    const shown = lines > MAX_LINES ? `${lines} lines, ${digestOf(Buffer.from(body))}` : body;
    return `${path}\n${shown.replace(/^/gm, '    ').trimEnd()}\n`;
  });
  return [`revision ${SITE_REVISION}\n`, ...files].join('\n');
}

test('the bytes of a small site are those of the file beside this test', async () => {
  const found = asText(await aSmallSite());
  if (process.env['CAIRN_GOLDEN'] === 'write') await writeFile(golden, found);
  const wanted = await readFile(golden, 'utf8');
  assert.equal(
    found,
    wanted,
    'The bytes of published files have changed. If that is meant, raise SITE_REVISION in generator/generator.ts, ' +
      'so that every site is rendered again, and run: npm run golden',
  );
});
