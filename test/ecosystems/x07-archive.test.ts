import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { vectorArchive } from '../support/x07-package.ts';

test('an archive composed here has the bytes of the real client (contract, section 14)', () => {
  const archive = vectorArchive();
  assert.equal(archive.length, 3072);
  const hash = createHash('sha256').update(archive).digest('hex');
  assert.equal(hash, '4906a6935a9a1728475b2bc3d2f8b84f1d213c83c4305068fced5aca43e355c5');
});
