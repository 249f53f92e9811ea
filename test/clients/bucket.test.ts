/** The promises of `Bucket`, over a store that somebody else has written. */
import { after, before, describe } from 'node:test';
import { bucketContract } from '../support/bucket-contract.ts';
import { closing } from '../support/closing.ts';
import { noGo } from '../support/go-programs.ts';
import { openVersitygw, type Versitygw } from '../support/versitygw.ts';

describe('versitygw', { skip: noGo }, () => {
  let server: Versitygw;
  const opened = closing();
  before(async () => (server = await openVersitygw(opened)));
  after(() => opened.close());

  bucketContract('a bucket of versitygw', () => Promise.resolve(server));
});
