/** The promises of `Bucket`, over a store that somebody else has written. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bucketContract } from '../support/bucket-contract.ts';
import { openAt, written } from '../support/bucket-objects.ts';
import { closing } from '../support/closing.ts';
import { noGo } from '../support/go-programs.ts';
import { openVersitygw, type Versitygw } from '../support/versitygw.ts';

describe('versitygw', { skip: noGo }, () => {
  let server: Versitygw;
  const opened = closing();
  before(async () => (server = await openVersitygw(opened)));
  after(() => opened.close());

  bucketContract('a bucket of versitygw', () => Promise.resolve(server));

  test('anybody reads what is public, and nothing beside it', async (t) => {
    await server.addBucket('public');
    await server.publicRead('site/', 'public');
    const bucket = openAt(t, server.address('', 'public'));
    for (const key of ['site/a', 'blobs/a']) await bucket.put(key, ...written(key));
    const read = (key: string) => fetch(`${server.endpoint}/public/${key}`);
    assert.equal(await (await read('site/a')).text(), 'site/a');
    assert.equal((await read('blobs/a')).status, 403);
  });
});
