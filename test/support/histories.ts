/** Random histories of a registry, and what a site should look like after them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import { RegistryState } from '../../core/state.ts';
import { siteContext } from '../../ecosystems/ecosystem.ts';
import { Generator } from '../../generator/generator.ts';
import { summariesPath } from '../../ecosystems/summaries.ts';
import { MemorySite } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { anArtifact, someSettings, type World } from './registry.ts';

export type Step =
  | {
      readonly do: 'publish';
      readonly name: string;
      readonly version: string;
      readonly long: boolean;
      readonly hidden?: boolean;
    }
  | { readonly do: 'execute'; readonly command: Command };

export interface Alphabet {
  readonly names: readonly string[];
  readonly versions: readonly string[];
}

export const x07Alphabet: Alphabet = {
  names: ['a', 'foo', 'ext-db-x'],
  versions: ['1.0.0', '1.10.0', '1.9.0-rc.1'],
};
/** Two spellings of each, which `toyRules` take for one. */
export const toyAlphabet: Alphabet = { names: ['foo', 'FOO', 'bar'], versions: ['1-rc', '1-RC', '2'] };

/** Few names and versions, so that commands meet each other; many are refused, as in life. */
export function steps(
  { names, versions }: Alphabet,
  size: { min: number; max: number },
): fc.Arbitrary<Step[]> {
  const name = fc.constantFrom(...names);
  const version = fc.constantFrom(...versions);
  const of = name.map((chosen) => ({ ecosystem: 'x07' as const, name: chosen }));
  const ofVersion = fc.record({ of, version }).map(({ of, version }) => ({ ...of, version }));
  const owner = fc.constantFrom('ann', 'bob');
  const member = fc.constantFrom('bob', 'carl');
  const ref = fc.constantFrom('latest', 'next');
  const target = fc.record({ name, version, asDigest: fc.boolean() }).map((chosen) => ({
    name: chosen.name,
    target: chosen.asDigest ? anArtifact(chosen.name, chosen.version).digest : chosen.version,
  }));
  const setRef: fc.Arbitrary<Command> = fc
    .record({ target, ref })
    .map(({ target, ref }) => ({ kind: 'set-ref', ecosystem: 'x07', ...target, ref }));
  const yank: fc.Arbitrary<Command> = ofVersion.map((it) => ({ kind: 'yank', ...it }));
  const unyank: fc.Arbitrary<Command> = ofVersion.map((it) => ({ kind: 'unyank', ...it }));
  const rarer: fc.Arbitrary<Command>[] = [
    ofVersion.map((it) => ({ kind: 'withdraw', ...it })),
    of.map((it) => ({ kind: 'withdraw', ...it })),
    fc.record({ of, owner }).map(({ of, owner }) => ({ kind: 'add-owner', ...of, owner })),
    fc.record({ of, owner }).map(({ of, owner }) => ({ kind: 'remove-owner', ...of, owner })),
    fc
      .record({ of, member, access: fc.constantFrom('read' as const, 'write' as const) })
      .map(({ of, member, access }) => ({ kind: 'set-member', ...of, member, access })),
    fc.record({ of, member }).map(({ of, member }) => ({ kind: 'remove-member', ...of, member })),
    fc.record({ of, ref }).map(({ of, ref }) => ({ kind: 'remove-ref', ...of, ref })),
    fc
      .record({ of, visibility: fc.constantFrom('public' as const, 'private' as const) })
      .map(({ of, visibility }) => ({ kind: 'set-visibility', ...of, visibility })),
    fc.record({ of, version, id: fc.constantFrom('A-1', 'A-2') }).map(({ of, version, id }) => ({
      kind: 'file-advisory',
      ...of,
      advisory: { id, kind: 'broken', severity: 'low', summary: 'It breaks.', versions: [version] },
    })),
    of.map((it) => ({ kind: 'withdraw-advisory', ...it, advisoryId: 'A-1' })),
    fc
      .constantFrom(
        someSettings(),
        someSettings({ publicUrl: 'https://other.example' }),
        someSettings({ mounts: { x07: '/x07/more', toy: '/' } }),
        someSettings({ mounts: { x07: '/' }, x07: { officialOwner: 'ann', verifiedNamespaces: ['ext'] } }),
      )
      .map((settings) => ({ kind: 'change-settings', settings })),
  ];
  const hidden = fc.nat(4).map((chance) => chance === 0);
  const publish = fc.record({
    do: fc.constant('publish' as const),
    name,
    version,
    long: fc.boolean(),
    hidden,
  });
  const execute = fc
    .oneof(
      { weight: 3, arbitrary: setRef },
      { weight: 3, arbitrary: yank },
      { weight: 2, arbitrary: unyank },
      { weight: 6, arbitrary: fc.oneof(...rarer) },
    )
    .map((command) => ({ do: 'execute' as const, command }));
  return fc.array(fc.oneof({ weight: 4, arbitrary: publish }, { weight: 6, arbitrary: execute }), {
    minLength: size.min,
    maxLength: size.max,
  });
}

/** Refusals are part of a history: they change nothing. */
export async function apply(world: World, step: Step): Promise<void> {
  try {
    if (step.do === 'publish') await world.publish(step.name, step.version, step);
    else await world.execute(step.command);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code === 'internal' || error.code === 'storage-failed')
      throw error;
  }
}

export async function applyAll(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) await apply(world, step);
}

/** Every path and what is there, in an order that makes differences readable. */
export function contentOf(site: MemorySite): Record<string, string> {
  const entries = [...site.files].map(([path, body]): [string, string] => [
    path,
    body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : `-> ${body.blob}`,
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The site that the log gives when nothing is there to carry on from. */
export async function siteFromNothing(world: World): Promise<MemorySite> {
  const target = new MemorySite();
  const { log, blobs, surfaces, rulesOf } = world;
  await new Generator({ log, state: new RegistryState(log, rulesOf), target, blobs, surfaces }).update();
  return target;
}

/** The site as somebody makes it who has a copy of the public log, and nothing else of what is not for everybody. */
export async function siteOfPublicLog(world: World): Promise<MemorySite> {
  return siteFromNothing({ ...world, log: new SealedLog(world.publicLog) });
}

/** Another process on the same site: it remembers nothing. */
export function anotherGenerator(world: World): Generator {
  const { log, site, blobs, surfaces, rulesOf } = world;
  return new Generator({ log, state: new RegistryState(log, rulesOf), target: site, blobs, surfaces });
}

async function* none(): AsyncIterable<never> {}

/** Without the files that may lag behind the documents. */
export function documentsOf(world: World, site: MemorySite): Record<string, string> {
  const content = contentOf(site);
  for (const surface of world.surfaces) {
    delete content[summariesPath(surface.id)];
    const context = siteContext(surface, world.state.settings);
    if (context) for (const { path } of surface.filesForRoot(none(), context)) delete content[path];
  }
  return content;
}

/** @throws AssertionError unless the site is, in every byte and record, what the log gives from nothing, private or not. */
export async function assertExact(world: World): Promise<void> {
  const wanted = await siteFromNothing(world);
  assert.deepEqual(contentOf(world.site), contentOf(wanted));
  assert.deepEqual(world.site.records, wanted.records);
  const ofEverybody = await siteOfPublicLog(world);
  assert.deepEqual(contentOf(ofEverybody), contentOf(wanted));
  assert.deepEqual(ofEverybody.records, wanted.records);
}

/**
 * Reads a site as X07's client does: from each index entry to each version's archive and metadata.
 * @throws AssertionError at a line that leads nowhere, or to other bytes than it promises.
 */
export function assertNothingDangles({ site, blobs }: Pick<World, 'site' | 'blobs'>): void {
  for (const [path, body] of site.files) {
    const found = /^(?:(.+)\/)?index\/.*\/[^/]+$/.exec(path);
    if (!found || !(body instanceof Uint8Array)) continue;
    const mount = found[1] === undefined ? '' : `${found[1]}/`;
    for (const line of Buffer.from(body).toString('utf8').split('\n').filter(Boolean)) {
      const { name, version, cksum } = JSON.parse(line) as { name: string; version: string; cksum: string };
      const folder = `${mount}v1/packages/${name}/${version}`;
      const archive = site.files.get(`${folder}/download`);
      assert.ok(archive && 'blob' in archive, `${path} names ${version}, and there is no ${folder}/download`);
      assert.equal(archive.blob, `sha256:${cksum}`);
      assert.ok(blobs.blobs.has(archive.blob), `${folder}/download links to a blob that is not there`);
      assert.ok(site.files.has(`${folder}/metadata`), `${path} names ${version}, without ${folder}/metadata`);
    }
  }
}

/** Calls `look` after every single write to the site; returns how many there have been. */
export function watchWrites(site: MemorySite, look: () => void): () => number {
  let count = 0;
  const run = site.faults.run.bind(site.faults);
  site.faults.run = (write) => {
    count += 1;
    try {
      run(write);
    } finally {
      look();
    }
  };
  return () => count;
}
