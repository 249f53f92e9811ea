/** Private packages in real repositories: what somebody finds who has a copy of the public one. */
import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createRegistry, openRegistry, readRegistry, type Registry } from '../../bin/open-registry.ts';
import type { Command } from '../../core/decide.ts';
import { compareTrees } from '../../stores/compare-trees.ts';
import { cairn, cairnOk } from '../support/command-line.ts';
import { git } from '../support/git.ts';
import { anActor, anArtifact, bytesOf, publishOf, someSettings } from '../support/registry.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ann = anActor('annabel');
const of = { ecosystem: 'x07', name: 'quokka' } as const;
const show: Command = { kind: 'set-visibility', ...of, visibility: 'public' };

async function aRegistry(t: TestContext): Promise<{ data: string; registry: Registry }> {
  const data = await temporaryDirectory(t);
  const registry = await openRegistry({ dataDirectory: data });
  t.after(() => registry.close());
  await createRegistry(registry, someSettings());
  return { data, registry };
}

async function publish(registry: Registry, name: string, version: string, hidden = false): Promise<void> {
  const blob = await registry.blobs.stage(once(bytesOf(name, version)), { maxBytes: 1000 });
  const command = publishOf(name, version, hidden ? { visibility: 'private' } : {});
  await registry.writer.execute({ actor: ann, plan: () => [command], blobs: [blob] });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function bringUp({ generator }: Pick<Registry, 'generator'>): Promise<void> {
  await generator.update();
  await generator.updateRoots();
}

/** All that the files below a folder say, names and contents; of a repository also what its packed objects say. */
async function textOf(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  let text = names.join('\n');
  for (const name of names) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) text += (await readFile(path)).toString('latin1');
  }
  return text;
}

/** What cannot be in a copy of the public log that anyone may have: who did what to which bytes. */
const secrets = ['quokka', 'annabel', '7.7.7', anArtifact('quokka', '7.7.7').digest.slice(7)];

test('nothing of a private package is in the repository of the public log, in its messages or on the site', async (t) => {
  const { data, registry } = await aRegistry(t);
  await publish(registry, 'quokka', '7.7.7', true);
  await publish(registry, 'quokka', '7.7.8');
  const commands: Command[] = [
    { kind: 'yank', ...of, version: '7.7.7' },
    { kind: 'add-owner', ...of, owner: 'annabel-too' },
    { kind: 'deprecate', ...of, message: 'quokka is over' },
  ];
  const isAnybody = { ...ann, scopes: new Set([...ann.scopes, 'admin' as const]) };
  for (const command of commands)
    await registry.writer
      .execute({ actor: isAnybody, plan: () => [command] })
      .catch((error: unknown) => assert.match(String(error), /not found/));
  await bringUp(registry);
  const log = join(data, 'log.git');
  const history = git(log, ['log', '-p', '--all', '--format=fuller']);
  assert.match(history, /"kind":"sealed"/);
  const found = history + (await textOf(log));
  for (const secret of secrets) assert.ok(!found.includes(secret), `${secret} is in log.git`);
  // The settings name the mount of X07; nothing else tells of what ecosystem the packages are.
  assert.doesNotMatch(history.replaceAll(/^.*"kind":"genesis".*$/gm, ''), /x07/);
  const site = await textOf(join(data, 'site'));
  for (const secret of secrets) assert.ok(!site.includes(secret), `${secret} is on the site`);
  assert.match(git(join(data, 'private.git'), ['log', '-p']), /quokka/);
});

test('opened again, a registry knows its private packages, and goes on with them', async (t) => {
  const data = await temporaryDirectory(t);
  const first = await openRegistry({ dataDirectory: data });
  await createRegistry(first, someSettings());
  await publish(first, 'quokka', '7.7.7', true);
  await first.accounts.addToken('a-token', { handle: 'bob', label: '', scopes: ['publish'] });
  await publish(first, 'quokka', '7.7.8');
  const known = first.state.package('x07', 'quokka');
  await first.close();
  const again = await openRegistry({ dataDirectory: data });
  t.after(() => again.close());
  assert.deepEqual(again.state.package('x07', 'quokka'), known);
  assert.deepEqual(again.state.privateReaders('x07', 'quokka'), ['annabel']);
  assert.equal(again.accounts.account('bob')?.handle, 'bob');
  await publish(again, 'quokka', '7.7.9');
  assert.equal(again.log.read(again.log.length - 1).kind, 'published');
});

test('accounts and private packages can be written at once', async (t) => {
  const { registry } = await aRegistry(t);
  const numbers = Array.from({ length: 8 }, (_, i) => i);
  await Promise.all(
    numbers.flatMap((i) => [
      publish(registry, `p${i}`, '1.0.0', true),
      registry.accounts.addToken(`token ${i}`, { handle: `h${i}`, label: '', scopes: ['publish'] }),
    ]),
  );
  for (const i of numbers) {
    assert.deepEqual(registry.state.privateReaders('x07', `p${i}`), ['annabel']);
    assert.equal(registry.accounts.actorOf(`token ${i}`)?.handle, `h${i}`);
  }
});

test('a reader beside the writer opens what it may, as it comes', async (t) => {
  const { data, registry } = await aRegistry(t);
  const [operator, anybody] = [await readRegistry(data), await readRegistry(data, { onlyPublic: true })];
  t.after(() => Promise.all([operator.close(), anybody.close()]));
  await publish(registry, 'quokka', '7.7.7', true);
  for (const reader of [operator, anybody]) {
    await reader.log.refresh();
    reader.state.catchUp();
  }
  assert.deepEqual(operator.state.package('x07', 'quokka'), registry.state.package('x07', 'quokka'));
  assert.equal(anybody.state.package('x07', 'quokka'), undefined);
  await registry.writer.execute({ actor: ann, plan: () => [show] });
  await anybody.log.refresh();
  anybody.state.catchUp();
  assert.deepEqual(anybody.state.package('x07', 'quokka'), registry.state.package('x07', 'quokka'));
});

test('a copy of the public log and the blobs gives the same site, byte for byte, before and after going public', async (t) => {
  const { data, registry } = await aRegistry(t);
  await publish(registry, 'quokka', '7.7.7', true);
  await publish(registry, 'wombat', '1.0.0', true);
  await publish(registry, 'numbat', '1.0.0');
  const copy = await temporaryDirectory(t);
  const compare = async (): Promise<void> => {
    await bringUp(registry);
    for (const part of ['log.git', 'blobs']) {
      await rm(join(copy, part), { recursive: true, force: true });
      await cp(join(data, part), join(copy, part), { recursive: true });
    }
    // Carries on with the site of the time before, and makes one from nothing.
    for (const root of ['site', 'site-from-nothing']) {
      if (root === 'site-from-nothing') await rm(join(copy, root), { recursive: true, force: true });
      const reader = await readRegistry(copy);
      await bringUp(await reader.generatorFor(join(copy, root)));
      await reader.close();
      const { missing, different, extra } = await compareTrees(join(copy, root), join(data, 'site'));
      assert.deepEqual({ missing, different, extra }, { missing: [], different: [], extra: [] }, root);
    }
  };
  await compare();
  await registry.writer.execute({ actor: ann, plan: () => [show] });
  await compare();
  await registry.writer.execute({ actor: ann, plan: () => [{ ...show, visibility: 'private' }] });
  await publish(registry, 'quokka', '7.7.8');
  await compare();
  await registry.writer.execute({ actor: ann, plan: () => [show] });
  await compare();
  assert.match(await textOf(join(copy, 'site')), /7\.7\.8/);
  assert.doesNotMatch(await textOf(join(copy, 'site')), /wombat/);
});

test('the operator sees private packages in the log, and is told when they cannot be opened', async (t) => {
  const data = await temporaryDirectory(t);
  const registry = await openRegistry({ dataDirectory: data });
  await createRegistry(registry, someSettings());
  await publish(registry, 'quokka', '7.7.7', true);
  await bringUp(registry);
  await registry.close();
  assert.match(
    await cairnOk(['log', 'x07/quokka', '--data', data]),
    /annabel {2}published x07\/quokka 7\.7\.7/,
  );
  const whole = await cairn(['doctor', '--json', '--data', data]);
  assert.match(whole.stdout, /every sealed line can be opened/);
  assert.match(whole.stdout, /all 1 that packages name are there/);
  await rm(join(data, 'private.git'), { recursive: true });
  assert.match(await cairnOk(['log', '--data', data]), /^ +1 {2}\S+ {2}sealed {2}sealed\n/m);
  const lost = await cairn(['doctor', '--json', '--data', data]);
  assert.equal(lost.code, 4);
  assert.match(lost.stdout, /3 sealed lines cannot be opened/);
  assert.match(await cairnOk(['regen', '--check', '--data', data]), /^clean/);
});
