import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from '../../core/decide.ts';
import { digestOf } from '../../core/digest.ts';
import { SITE_REVISION } from '../../generator/records.ts';
import { anActor, anArtifact, openWorld, publishOf, someSettings } from '../support/registry.ts';
import { contentOf } from '../support/histories.ts';
import { manifestOf } from '../support/x07-package.ts';

const golden = new URL('golden-site.txt', import.meta.url);

const ended = { retired: true, retiredAt: '2026-01-02T00:00:00.000Z' } as const;
const readme = Buffer.from('# lib\n\n"Quoted" </script>\n');

function npmVersion(name: string, version: string, over: object = {}): Command {
  const manifest = { name, version, description: `About ${name}.`, keywords: ['demo'], odd: 1.5, ...over };
  return {
    kind: 'publish',
    ecosystem: 'npm',
    name,
    version,
    artifacts: [
      { ...anArtifact(name, version), role: 'tarball' },
      { role: 'readme', digest: digestOf(readme), size: readme.length, mediaType: 'text/markdown' },
    ],
    meta: {
      manifest: JSON.stringify(manifest),
      integrity: `sha512-${'A'.repeat(86)}==`,
      shasum: '0'.repeat(40),
      fileCount: 3,
      unpackedSize: 300,
      readmeFilename: 'README.md',
    },
    signatures: [{ keyId: 'k1', kind: 'ecdsa-sha2-nistp256', value: 'MEUC' }],
  };
}

/** A scoped package with tags, one taken out, one gone, one that nobody may see. */
function npmCommands(): Command[] {
  const of = (name: string): { ecosystem: 'npm'; name: string } => ({ ecosystem: 'npm', name });
  const lib = of('@acme/lib');
  const secret = npmVersion('@acme/secret', '1.0.0');
  return [
    npmVersion('@acme/lib', '1.0.0', { hasInstallScript: true }),
    npmVersion('@acme/lib', '1.1.0'),
    npmVersion('@acme/lib', '2.0.0-beta.1'),
    { kind: 'set-ref', ...lib, ref: 'latest', target: '1.0.0' },
    { kind: 'set-ref', ...lib, ref: 'beta', target: '2.0.0-beta.1' },
    { kind: 'deprecate', ...lib, version: '1.0.0', message: 'Use "2.0.0".' },
    { kind: 'withdraw', ...lib, version: '1.1.0' },
    { kind: 'star', ...lib },
    {
      kind: 'file-advisory',
      ...lib,
      advisory: { id: 'A-2', kind: 'security', severity: 'medium', summary: 'It leaks.', range: '<2.0.0-0' },
    },
    npmVersion('gone', '1.0.0'),
    { kind: 'withdraw', ...of('gone') },
    { ...secret, visibility: 'private' } as Command,
  ];
}

/** One package of each kind that shows differently, with a fixed clock and fixed identities. */
async function aSmallSite(): Promise<Record<string, string>> {
  const world = await openWorld({
    settings: someSettings({
      mounts: { x07: '/x07', npm: '/npm' },
      keys: [
        { id: 'k1', ecosystem: 'npm', kind: 'ecdsa-sha2-nistp256', publicKey: 'T25l', ...ended },
        { id: 'k2', ecosystem: 'npm', kind: 'ecdsa-sha2-nistp256', publicKey: 'VHdv' },
      ],
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
    ...npmCommands(),
  ];
  world.blobs.blobs.set(digestOf(readme), readme);
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
    'The bytes of published files have changed. If that is meant, raise SITE_REVISION in generator/records.ts, ' +
      'so that every site is rendered again, and run: npm run golden',
  );
});
