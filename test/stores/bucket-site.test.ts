/** A site in a bucket, against the strict store in memory: what every site promises, and what only a bucket has to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { digestOf } from '../../core/digest.ts';
import { ClaimLost } from '../../core/errors.ts';
import { openBucketSite } from '../support/bucket-site-harness.ts';
import { openS3Server } from '../support/s3-server.ts';
import {
  aDocument,
  anArtifactFile,
  siteTargetContract,
  someRecords,
} from '../support/site-target-contract.ts';

siteTargetContract('BucketSite over blobs in a bucket', async (t) =>
  openBucketSite(t, await openS3Server(t)),
);
siteTargetContract('BucketSite of pointers to blobs', async (t) =>
  openBucketSite(t, await openS3Server(t), { artifacts: 'pointers' }),
);
siteTargetContract('BucketSite over blobs in a directory', async (t) =>
  openBucketSite(t, await openS3Server(t), { blobs: 'directory' }),
);

test('each object has its type, its policy, its name to save it under and its digest', async (t) => {
  const s3 = await openS3Server(t);
  const { target, keep, bucket } = await openBucketSite(t, s3);
  const blob = await keep('archive');
  const headers = { 'content-disposition': 'attachment; filename="a.tar.gz"' };
  await target.put([
    { ...aDocument('doc', 'text'), contentType: 'application/json' },
    { ...anArtifactFile('file', blob, 7), headers },
  ]);
  const of = (path: string): Record<string, string> => {
    const found = s3.objects.get(`${bucket.address.prefix}/${path}`);
    return { ...found?.headers, ...found?.metadata };
  };
  assert.deepEqual(
    [of('doc')['content-type'], of('doc')['cache-control'], of('doc')['digest']],
    ['application/json', 'public, max-age=0, must-revalidate, s-maxage=30', digestOf('text')],
  );
  assert.deepEqual(
    [
      of('file')['content-type'],
      of('file')['cache-control'],
      of('file')['digest'],
      of('file')['content-disposition'],
    ],
    [
      'application/octet-stream',
      'public, max-age=31536000, s-maxage=86400, immutable, no-transform',
      blob,
      headers['content-disposition'],
    ],
  );
});

test('a step asks for little, and never for a list', async (t) => {
  const s3 = await openS3Server(t);
  const { target, keep } = await openBucketSite(t, s3);
  const { progress } = someRecords(1);
  const step = async (seq: number, text: string): Promise<string[]> => {
    const blob = await keep(text);
    s3.requests.length = 0;
    const release = await target.hold('progress');
    await target.load('progress');
    await target.save('progress', { ...progress, seq: seq - 1, claim: { toSeq: seq } });
    await target.put([anArtifactFile(`artifact-${seq}`, blob, text.length)]);
    await target.put([aDocument('document', text)]);
    await target.save('progress', { ...progress, seq });
    await release();
    return s3.requests.map(({ operation }) => operation);
  };
  assert.deepEqual(await step(1, 'one'), [
    'GetObject',
    'PutObject',
    'CopyObject',
    'HeadObject',
    'PutObject',
    'PutObject',
  ]);
  // Once it knows what is there it does not look again.
  assert.deepEqual(await step(2, 'two'), ['PutObject', 'CopyObject', 'PutObject', 'PutObject']);
});

test('what the same sole writer had claimed before it died is taken over at once; of others nobody knows', async (t) => {
  const patient = { leaseMs: 3_600_000, pollMs: 10 };
  const { another } = await openBucketSite(t, await openS3Server(t));
  const open = (soleWriter?: string) => another({ times: patient, soleWriter });
  const dead = open('a');
  await dead.hold('roots');
  await dead.claim('roots');
  const waiting = [open('b'), open()].map(async (other) => other.hold('roots').then(() => 'held'));
  assert.equal(await Promise.race([...waiting, pause(100, 'waits')]), 'waits');
  const release = await Promise.race([open('a').hold('roots'), pause(20_000)]);
  assert.ok(release, 'it waits as well');
  await assert.rejects(dead.save('roots', someRecords(1).roots), ClaimLost, 'should it live after all');
  await release();
  await Promise.any(waiting);
});
