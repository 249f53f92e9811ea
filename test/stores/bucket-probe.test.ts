/** A store that cannot do what is needed is found out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bucket } from '../../stores/bucket.ts';
import { probeBucket } from '../../stores/bucket-probe.ts';
import { openS3Server } from '../support/s3-server.ts';

test('a store with conditional writes and ETags of the bytes is told so, and nothing is left there', async (t) => {
  const s3 = await openS3Server(t);
  const bucket = new Bucket(s3.address('site'));
  t.after(() => bucket.close());
  assert.deepEqual(await probeBucket(bucket), {
    keepsWhatIsThere: true,
    comparesWhatItReplaces: true,
    hasTellingEtags: true,
  });
  assert.equal(s3.objects.size, 0);
});

test('a store that does not look at conditions is found out, each by itself', async (t) => {
  for (const ignored of ['if-none-match', 'if-match'] as const) {
    const s3 = await openS3Server(t);
    // As stores do that know nothing of the header.
    s3.faults.onRequest = ({ headers }) => {
      delete (headers as Record<string, string | undefined>)[ignored];
      return undefined;
    };
    const bucket = new Bucket(s3.address('site'));
    const found = await probeBucket(bucket);
    bucket.close();
    assert.equal(found.keepsWhatIsThere, ignored !== 'if-none-match');
    assert.equal(found.comparesWhatItReplaces, ignored !== 'if-match');
    assert.equal(s3.objects.size, 0);
  }
});

test('a bucket that is not there is an error that names it', async (t) => {
  const s3 = await openS3Server(t);
  const bucket = new Bucket(s3.address('site', 'elsewhere'));
  t.after(() => bucket.close());
  await assert.rejects(probeBucket(bucket), /bucket/);
});
