import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { packTar } from '../support/x07-package.ts';

test('an archive composed here has the bytes of the real client (contract, section 14)', () => {
  const manifest =
    '{"schema_version":"x07.package@0.1.0","name":"vec-demo","version":"1.0.0","description":"vector","docs":"vector docs","license":"MIT","module_root":"modules","modules":["vec.demo"],"meta":{"x07c_compat":">=0.2.0 <0.3.0","worlds_allowed":["solve-pure"]}}\n';
  const module =
    '{"schema_version":"x07.x07ast@0.8.0","kind":"module","module_id":"vec.demo","imports":[],"decls":[{"kind":"export","names":["vec.demo.answer"]},{"kind":"defn","name":"vec.demo.answer","params":[],"result":"i32","body":7}]}\n';
  const archive = packTar([
    { path: 'modules/vec/demo.x07.json', content: module },
    { path: 'x07-package.json', content: manifest },
  ]);
  assert.equal(archive.length, 3072);
  const hash = createHash('sha256').update(archive).digest('hex');
  assert.equal(hash, '4906a6935a9a1728475b2bc3d2f8b84f1d213c83c4305068fced5aca43e355c5');
});
