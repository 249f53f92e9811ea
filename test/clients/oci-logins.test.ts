/** Clients of containers log in, and push nothing where they may not. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { judge, readingOnly } from '../support/oci-conformance.ts';
import { ociPrograms, openOciDesk } from '../support/oci-clients.ts';
import { smallImage, writeLayout } from '../support/oci-image.ts';
import { noWorkshop, openWorkshop, type OciWorkshop } from '../support/oci-workshop.ts';

describe('logins of clients of containers', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  for (const program of ociPrograms)
    test(`${program} logs in with the right password alone`, async (t) => {
      const desk = await openOciDesk(t, [shop.server.host]);
      for (const wrong of [
        { ...shop.server.login, password: 'wrong' },
        { username: 'nobody', password: 'x' },
      ]) {
        const answer = await desk.logIn(program, shop.server.host, wrong);
        // crane writes down whatever it is told, and asks nobody.
        const { code, output } =
          program === 'crane' ? await desk.run('crane', ['catalog', shop.server.host]) : answer;
        assert.notEqual(code, 0, output);
        assert.match(output, /401|unauthorized|authentication required|invalid username/i);
      }
      const { code, output } = await desk.logIn(program, shop.server.host, shop.server.login);
      assert.equal(code, 0, output);
      if (program === 'crane') await desk.ok('crane', 'catalog', shop.server.host);
    });

  test('nobody pushes without a login', async (t) => {
    const { host } = shop.server;
    const { refused, folder } = await openOciDesk(t, [host]);
    writeLayout(join(folder, 'made'), { one: smallImage('not wanted') });
    await writeFile(join(folder, 'file'), 'not wanted');
    await refused('skopeo', 'copy', 'oci:made:one', `docker://${host}/acme/refused:1`);
    await refused('crane', 'push', 'made', `${host}/acme/refused:1`);
    await refused('oras', 'push', '--plain-http', `${host}/acme/refused:1`, 'file:text/plain');
    assert.equal((await shop.stored('acme/refused', '1')).status, 404);
  });

  test('whoever reads needs no login for what is public: the official suite, of what can be read', async (t) => {
    if (!shop.server.can('reading without a login')) return t.skip('it asks everybody');
    const { ok, host } = await shop.aDesk(t);
    for (const tag of ['1', '2'])
      await ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/acme/public:${tag}`);
    const { digest } = shop.image.top.descriptor;
    const settings = readingOnly('acme/public', {
      tags: ['1', '2'],
      manifests: [digest],
      blobs: shop.layers.map((layer) => layer.digest),
      subjects: [digest],
    });
    const { verdict, complaints } = await judge(t, '1.1', { url: shop.server.url, settings });
    const { passed, failed, skipped } = verdict;
    assert.deepEqual(
      { passed, failed, skipped },
      { passed: 22, failed: 0, skipped: 0 },
      complaints.join('\n'),
    );
  });

  test('nobody pushes to the namespace of another', async (t) => {
    if (!shop.server.can('namespaces')) return t.skip('it has none');
    const desk = await shop.aDesk(t);
    await desk.refused('skopeo', 'copy', 'oci:made:one', `docker://${desk.host}/other/app:1`);
    await desk.refused('crane', 'push', 'made', '--index', `${desk.host}/other/app:1`);
    assert.notEqual((await shop.stored('other/app', '1')).status, 200);
  });
});
