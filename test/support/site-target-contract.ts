/** What every `SiteTarget` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Digest } from '../../core/digest.ts';
import type { SiteRecords, SiteTarget } from '../../core/ports.ts';
import type { SiteFile } from '../../core/site.ts';

export interface SiteHarness {
  readonly target: SiteTarget;
  /** Another process on the same site, where there can be one. */
  another?(): SiteTarget;
  /** Keeps a blob that files may name. */
  keep(text: string): Promise<Digest>;
  /** Every path that a reader could ask for, and what is there. */
  content(): Promise<Record<string, string>>;
}

export function aDocument(path: string, text: string): SiteFile {
  return { path, body: { bytes: Buffer.from(text) }, contentType: 'text/plain', cache: 'document' };
}

export function anArtifactFile(path: string, blob: Digest, size = 1): SiteFile {
  return { path, body: { blob, size }, contentType: 'application/octet-stream', cache: 'artifact' };
}

export function aStream(path: string, ...pieces: readonly string[]): SiteFile {
  async function* stream(): AsyncIterable<string> {
    yield* pieces;
  }
  return { path, body: { stream }, contentType: 'text/plain', cache: 'document' };
}

export function someRecords(seq: number): Pick<SiteRecords, 'progress' | 'roots'> {
  const progress = { registry: 'e'.repeat(32), revision: 1, seq, head: `head ${seq}`, headSeq: seq };
  return { progress, roots: { revision: 1, seq } };
}

async function textIn(target: { read(path: string): AsyncIterable<string> }, path: string): Promise<string> {
  let text = '';
  for await (const piece of target.read(path)) text += piece;
  return text;
}

export function siteTargetContract(kind: string, open: (t: TestContext) => Promise<SiteHarness>): void {
  test(`${kind}: files are put, replaced and removed`, async (t) => {
    const { target, keep, content } = await open(t);
    const blob = await keep('archive');
    await target.put([
      aDocument('a/b/c', 'one'),
      anArtifactFile('a/d', blob, 7),
      aStream('all', 'x', '', 'y'),
    ]);
    assert.deepEqual(await content(), { 'a/b/c': 'one', 'a/d': 'archive', all: 'xy' });
    await target.put([aDocument('a/b/c', 'two'), anArtifactFile('a/d', blob, 7), aStream('all', 'z')]);
    assert.deepEqual(await content(), { 'a/b/c': 'two', 'a/d': 'archive', all: 'z' });
    await target.remove(['a/b/c', 'never/there', 'a/b/c']);
    assert.deepEqual(await content(), { 'a/d': 'archive', all: 'z' });
    await target.put([aDocument('a/b/c', 'three')]);
    assert.deepEqual(await content(), { 'a/b/c': 'three', 'a/d': 'archive', all: 'z' });
    await target.put([]);
    await target.remove([]);
  });

  test(`${kind}: a file is never there before one of a lower rank`, async (t) => {
    const { target, keep, content } = await open(t);
    const blob = await keep('layer');
    const seen: Record<string, string>[] = [];
    const looking = (path: string, rank: number): SiteFile => ({
      ...aDocument(path, ''),
      rank,
      body: {
        async *stream() {
          seen.push(await content());
          yield path;
        },
      },
    });
    const files = [looking('third', 2), looking('second', 1), anArtifactFile('new/folder/first', blob, 5)];
    await target.put(files);
    const [first, second] = [{ 'new/folder/first': 'layer' }, { second: 'second' }];
    assert.deepEqual(seen, [first, { ...first, ...second }]);
    assert.deepEqual(await content(), { ...first, ...second, third: 'third' });
  });

  test(`${kind}: a text is read in pieces, and a missing one is empty`, async (t) => {
    const { target } = await open(t);
    const long = 'ünïcode \u{1f980} '.repeat(50_000);
    await target.put([aDocument('long', long)]);
    assert.equal(await textIn(target, 'long'), long);
    assert.equal(await textIn(target, 'none/such'), '');
  });

  test(`${kind}: a file can be made of what it replaces`, async (t) => {
    const { target, content } = await open(t);
    await target.put([aDocument('list', 'a\n')]);
    const longer: SiteFile = {
      ...aStream('list'),
      body: {
        async *stream() {
          yield* target.read('list');
          yield 'b\n';
        },
      },
    };
    await target.put([longer]);
    assert.deepEqual(await content(), { list: 'a\nb\n' });
  });

  test(`${kind}: records are kept beside the files and are not among them`, async (t) => {
    const { target, another, content } = await open(t);
    assert.equal(await target.load('progress'), undefined);
    const { progress, roots } = someRecords(3);
    await target.save('progress', { ...progress, claim: { toSeq: 9 } });
    await target.save('roots', roots);
    await target.save('progress', progress);
    for (const site of another ? [target, another()] : [target])
      assert.deepEqual([await site.load('progress'), await site.load('roots')], [progress, roots]);
    assert.deepEqual(await content(), {});
  });

  test(`${kind}: what is a document and a folder lies inside its folder`, async (t) => {
    const { target, content } = await open(t);
    for (const order of [0, 1]) {
      const files = [aDocument(`p${order}/foo/=index`, 'foo'), aDocument(`p${order}/foo/owners`, 'ann')];
      for (const file of order === 0 ? files : files.toReversed()) await target.put([file]);
    }
    assert.deepEqual(await content(), {
      'p0/foo/=index': 'foo',
      'p0/foo/owners': 'ann',
      'p1/foo/=index': 'foo',
      'p1/foo/owners': 'ann',
    });
  });

  test(`${kind}: a rebuild shows nothing until it is finished, and then exactly itself`, async (t) => {
    const { target, keep, content } = await open(t);
    const [kept, gone, fresh] = [await keep('kept'), await keep('gone'), await keep('fresh')];
    await target.put([
      aDocument('same', 'same'),
      aDocument('changed', 'before'),
      aDocument('extra/deep/down', 'extra'),
      anArtifactFile('kept', kept, 4),
      anArtifactFile('gone', gone, 4),
    ]);
    await target.save('progress', someRecords(1).progress);
    const before = await content();
    const build = await target.rebuild();
    build.add(aDocument('same', 'same'));
    build.add(aDocument('changed', 'after'));
    build.add(anArtifactFile('kept', kept, 4));
    build.add(anArtifactFile('fresh/one', fresh, 5));
    await build.addRoot(aStream('all', 'a', 'b'));
    await build.addRoot(aDocument('config', 'c'));
    assert.equal(await textIn(build, 'all'), 'ab');
    assert.equal(await textIn(build, 'none'), '');
    assert.deepEqual(await content(), before);
    assert.equal((await target.load('progress'))?.seq, 1);
    await build.finish(someRecords(2));
    assert.deepEqual(await content(), {
      all: 'ab',
      changed: 'after',
      config: 'c',
      'fresh/one': 'fresh',
      kept: 'kept',
      same: 'same',
    });
    assert.deepEqual(
      [await target.load('progress'), await target.load('roots')],
      Object.values(someRecords(2)),
    );
    await target.put([aDocument('extra/deep/down', 'again')]);
    assert.equal((await content())['extra/deep/down'], 'again');
  });

  test(`${kind}: the first rebuild makes a site where there was none`, async (t) => {
    const { target, content } = await open(t);
    const build = await target.rebuild();
    build.add(aDocument('a/b', 'one'));
    await build.finish(someRecords(1));
    assert.deepEqual(await content(), { 'a/b': 'one' });
    await target.put([aDocument('a/b', 'two'), aDocument('a/c', 'three')]);
    assert.deepEqual(await content(), { 'a/b': 'two', 'a/c': 'three' });
  });

  test(`${kind}: an abandoned rebuild leaves everything as it was`, async (t) => {
    const { target, content } = await open(t);
    await target.put([aDocument('a', 'one')]);
    await target.save('progress', someRecords(1).progress);
    const build = await target.rebuild();
    build.add(aDocument('b', 'two'));
    await build.abandon();
    assert.deepEqual(await content(), { a: 'one' });
    const next = await target.rebuild();
    next.add(aDocument('c', 'three'));
    await next.finish(someRecords(1));
    assert.deepEqual(await content(), { c: 'three' });
  });

  test(`${kind}: a path that is added twice to a rebuild is a mistake that shows`, async (t) => {
    const { target } = await open(t);
    const build = await target.rebuild();
    build.add(aDocument('a', 'one'));
    assert.throws(() => build.add(aDocument('a', 'one')));
    await build.abandon();
  });

  test(`${kind}: who holds a part makes others wait for that part only`, async (t) => {
    const { target, another } = await open(t);
    const other = another ? another() : target;
    const order: string[] = [];
    const release = await target.hold('progress');
    await target.claim('progress');
    const waiting = other.hold('progress').then(async (releaseOther) => {
      order.push('held by the other');
      await releaseOther();
    });
    await (
      await other.hold('roots')
    )();
    await new Promise((resume) => setTimeout(resume, 60));
    order.push('released');
    await release();
    await waiting;
    assert.deepEqual(order, ['released', 'held by the other']);
    await (
      await target.hold('progress')
    )();
  });
}
