/** A site in a bucket whose artifacts are pointers to the blobs, and those who read it, check it or make it another. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import { READ_AT_ONCE_BYTES, type SiteReader } from '../../core/ports.ts';
import type { SiteFile } from '../../core/site.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { compareBucket, SiteOnPaper } from '../../stores/bucket-check.ts';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import { bucketReader } from '../../stores/bucket-reader.ts';
import type { TreeDifferences } from '../../stores/compare-trees.ts';
import { openBucketSite, type BucketSiteHarness } from '../support/bucket-site-harness.ts';
import { readText, written } from '../support/bucket-objects.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { aDocument, anArtifactFile, someRecords } from '../support/site-target-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { bytesOf, found } from '../support/found-files.ts';

interface Opened extends BucketSiteHarness {
  readonly s3: S3Server;
  readonly reader: SiteReader;
  asked(): string[];
}

async function open(t: TestContext, artifacts: ArtifactLayout = 'pointers'): Promise<Opened> {
  const s3 = await openS3Server(t);
  const site = await openBucketSite(t, s3, { artifacts });
  return {
    ...site,
    s3,
    reader: bucketReader(site.bucket, site.blobBucket),
    asked: () => s3.requests.splice(0).map(({ operation }) => operation),
  };
}

/** A whole site of these files, as a rebuild brings it in. */
async function rebuild(
  site: BucketSiteHarness,
  files: readonly SiteFile[],
  layout?: 'copies',
): Promise<void> {
  const target = layout === 'copies' ? site.another({ pointers: undefined }) : site.target;
  const release = await target.hold('progress');
  const releaseRoots = await target.hold('roots');
  const build = await target.rebuild();
  for (const file of files) build.add(file);
  await build.finish(someRecords(1));
  await releaseRoots();
  await release();
}

/** As long as the pointer to it: only what is recorded beside the bytes tells them apart. */
const tricky = 'x'.repeat('sha256/ab/'.length + 64 + 1);

test('a pointer is the key of its blob, with the type, the policy and the digest of the artifact', async (t) => {
  const { target, keep, bucket, s3, asked } = await open(t);
  const blob = await keep('archive');
  const headers = { 'content-disposition': 'attachment; filename="a.tar.gz"' };
  asked();
  await target.put([{ ...anArtifactFile('file', blob, 7), contentType: 'application/gzip', headers }]);
  assert.deepEqual(asked(), ['PutObject'], 'no bytes are copied, and nothing is looked at before');
  assert.equal(await readText(bucket, 'file'), `${blobKey(blob)}\n`);
  const object = s3.objects.get(`${bucket.address.prefix}/file`);
  assert.deepEqual(object?.metadata, { digest: blob, blob: blobKey(blob) });
  assert.equal(object?.headers['content-type'], 'application/gzip');
  assert.match(object?.headers['cache-control'] ?? '', /immutable/);
  assert.equal(object?.headers['content-disposition'], headers['content-disposition']);
});

test('a pointer to a blob that is missing is never written', async (t) => {
  const site = await open(t);
  const isMissing = (error: unknown) =>
    error instanceof RegistryError && /point to nothing/.test(error.message);
  const file = anArtifactFile('file', digestOf('nowhere'), 7);
  await assert.rejects(site.target.put([file]), isMissing);
  await assert.rejects(rebuild(site, [file]), isMissing);
  assert.deepEqual(await site.content(), {});
});

test('whatever was at the path before, another name for a blob or a copy of it, becomes the pointer', async (t) => {
  const { target, another, keep, bucket } = await open(t);
  const blobs = { one: await keep('one'), [tricky]: await keep(tricky) };
  for (const [text, blob] of Object.entries(blobs)) {
    const file: SiteFile = {
      ...anArtifactFile(`moves ${text.length}`, blob, text.length),
      cache: 'document',
    };
    await another({ pointers: undefined }).put([file]);
    assert.equal(await readText(bucket, file.path), text);
    await another().put([file]);
    assert.equal(await readText(bucket, file.path), `${blobKey(blob)}\n`);
    await another({ pointers: undefined }).put([file]);
    assert.equal(await readText(bucket, file.path), text, 'and a copy again');
    // Of what never changes nobody looks at it before: the store refuses, and what is there is looked at then.
    const kept = anArtifactFile(`stays ${text.length}`, blob, text.length);
    await another({ pointers: undefined }).put([kept]);
    await another().put([kept]);
    assert.equal(await readText(bucket, kept.path), `${blobKey(blob)}\n`);
  }
  const at = (blob: Digest): SiteFile => ({ ...anArtifactFile('tag', blob, 3), cache: 'document' });
  await target.put([at(blobs.one)]);
  await target.put([at(await keep('two'))]);
  assert.equal(await readText(bucket, 'tag'), `${blobKey(digestOf('two'))}\n`);
});

test('readers follow a pointer, and ask for it alone while it stands', async (t) => {
  const { target, keep, reader, asked, blobBucket } = await open(t);
  const blob = await keep('archive');
  await target.put([anArtifactFile('file', blob, 7)]);
  asked();
  const file = await found(reader, 'file');
  assert.deepEqual([file.size, file.digest, String(file.read())], [7, blob, 'archive']);
  assert.equal(String(await bytesOf(file.lend({ start: 2, end: 4 }))), 'chi');
  assert.deepEqual(asked(), ['GetObject', 'GetObject']);
  assert.equal(await reader.find('file', file), file);
  assert.deepEqual(asked(), ['GetObject']);
  const other = await keep('another');
  await target.put([{ ...anArtifactFile('tag', blob, 7), cache: 'document' }]);
  const tag = await found(reader, 'tag');
  await target.put([{ ...anArtifactFile('tag', other, 7), cache: 'document' }]);
  const moved = await found(reader, 'tag', tag);
  assert.deepEqual([String(moved.read()), moved.digest], ['another', other]);
  assert.notEqual(moved.version, tag.version);
  await target.remove(['file']);
  assert.equal(await reader.find('file', file), undefined);
  assert.ok(await blobBucket.head(blobKey(blob)), 'and the blob stays, for whoever else names it');
});

test('a long blob is read in pieces, behind its pointer as elsewhere', async (t) => {
  const { target, keep, reader, asked } = await open(t);
  const text = 'long'.repeat(READ_AT_ONCE_BYTES / 4) + '.';
  await target.put([anArtifactFile('file', await keep(text), text.length)]);
  for (const _ of ['found to be long', 'known to be']) {
    const file = await found(reader, 'file');
    assert.equal(file.size, text.length);
    assert.throws(() => file.read(), TypeError);
    assert.equal(String(await bytesOf(file.lend({ start: 4, end: 7 }))), 'long');
  }
  assert.deepEqual(asked().slice(-3), ['GetObject', 'HeadObject', 'GetObject']);
});

test('a pointer without its blob, or to what is no blob, is no missing file', async (t) => {
  const { target, keep, reader, bucket, blobBucket } = await open(t);
  const blob = await keep('archive');
  await target.put([anArtifactFile('file', blob, 7)]);
  await blobBucket.remove(blobKey(blob));
  const [bytes, options] = written('somewhere');
  await bucket.put('stranger', bytes, { ...options, blob: 'private/secret' });
  await blobBucket.put('private/secret', ...written('secret'));
  const fails = { code: 'storage-unavailable' };
  for (const path of ['file', 'stranger'])
    await assert.rejects(Promise.resolve(reader.find(path)), fails, path);
  await assert.rejects(Promise.resolve(bucketReader(bucket).find('file')), fails, 'nobody knows the blobs');
});

test('a text that reads like a pointer is a text', async (t) => {
  const { target, reader } = await open(t);
  const text = `${blobKey(digestOf('private'))}\n`;
  await target.put([aDocument('doc', text)]);
  assert.equal(String((await found(reader, 'doc')).read()), text);
});

test('a whole site is made another of the other layout, and what is right already is left alone', async (t) => {
  const site = await open(t);
  const { keep, bucket, reader, s3 } = site;
  const files = [
    anArtifactFile('a', await keep('archive'), 7),
    anArtifactFile('b', await keep(tricky), tricky.length),
    { ...anArtifactFile('tag', await keep('tagged'), 6), cache: 'document' as const },
    aDocument('doc', 'text'),
  ];
  const contents: Record<string, string> = { a: 'archive', b: tricky, tag: 'tagged', doc: 'text' };
  /** Paths of the site that were written since the last look; records apart. */
  const wrote = (): string[] =>
    s3.requests
      .splice(0)
      .flatMap(({ operation, key }) => (/^(?:Put|Copy)Object$/.test(operation) ? [key] : []))
      .flatMap((key) => /^site-[a-z0-9]+\/([a-z]+)$/.exec(key)?.[1] ?? [])
      .sort();
  await rebuild(site, files, 'copies');
  for (const layout of ['pointers', 'copies', 'pointers'] as const) {
    wrote();
    await rebuild(site, files, layout === 'copies' ? 'copies' : undefined);
    assert.deepEqual(wrote(), ['a', 'b', 'tag'], layout);
    for (const [path, text] of Object.entries(contents)) {
      assert.equal(
        (await bucket.head(path))?.blob !== undefined,
        layout === 'pointers' && path !== 'doc',
        path,
      );
      assert.equal(String((await found(reader, path)).read()), text, path);
    }
    await rebuild(site, files, layout === 'copies' ? 'copies' : undefined);
    assert.deepEqual(wrote(), [], layout);
  }
});

test('a check sees what is no pointer, points elsewhere, or points to other bytes', async (t) => {
  const { target, another, keep, bucket, blobBucket } = await open(t);
  const names = ['right', 'copied', 'misled', 'damaged', 'lost', 'silent'];
  const files = await Promise.all(
    names.map(async (name) => anArtifactFile(name, await keep(name), name.length)),
  );
  await target.put(files);
  const compare = async (sample: number): Promise<TreeDifferences> => {
    const paper = new SiteOnPaper(join(await temporaryDirectory(t), 'paper'), 'pointers');
    const build = await paper.rebuild();
    for (const file of files) build.add(file);
    const openBlob = (digest: Digest) => {
      if (digest === digestOf('lost')) throw new RegistryError('not-found', 'lost');
      const { length } = names.find((name) => digestOf(name) === digest) ?? '';
      return blobBucket.read(blobKey(digest), { start: 0, end: length - 1 });
    };
    return compareBucket({ site: paper.site, bucket, openBlob, sample });
  };
  const [copied] = files.filter(({ path }) => path === 'copied');
  await another({ pointers: undefined }).put(copied ? [copied] : []);
  await bucket.put('misled', Buffer.from(`${blobKey(digestOf('right'))}\n`), {
    contentType: 'application/octet-stream',
    digest: digestOf('misled'),
    blob: blobKey(digestOf('right')),
  });
  const silent = Buffer.from(`${blobKey(digestOf('silent'))}\n`);
  await bucket.put('silent', silent, { contentType: 'text/plain', digest: digestOf('silent') });
  await blobBucket.put(blobKey(digestOf('damaged')), ...written('demaged'));
  const listed = await compare(0);
  assert.deepEqual(
    [...listed.different].sort(),
    ['copied', 'misled'],
    'by the list, and by what is recorded',
  );
  const { different, missing, extra } = await compare(Infinity);
  assert.deepEqual([...different].sort(), ['copied', 'damaged', 'lost', 'misled', 'silent']);
  assert.deepEqual([missing, extra], [[], []]);
});
