/** `regen --check` beside a server that goes on publishing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSite } from '../../bin/library.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, { CAIRN_ECOSYSTEMS: 'x07' });

test('what was just published is no difference, though catalogs are late', async () => {
  for (let patch = 0; patch < 6; patch += 1) {
    const { status } = await server.publish({ name: 'one', version: `1.0.${patch}` });
    assert.equal(status, 200);
    // The second before the catalogs of the first are made again: they are made once a second at most.
    await server.publish({ name: 'two', version: `1.0.${patch}` });
    const { clean, ...differences } = await checkSite({ dataDirectory: server.data });
    assert.ok(clean, JSON.stringify(differences));
  }
});

test('what is published while it looks is no difference', async () => {
  let isOver = false;
  const publishing = (async () => {
    for (let patch = 0; !isOver && patch < 4; patch += 1) {
      await server.publish({ name: 'three', version: `1.0.${patch}` });
      await new Promise((next) => setTimeout(next, 300));
    }
  })();
  const found = await checkSite({ dataDirectory: server.data });
  isOver = true;
  await publishing;
  assert.ok(found.clean, JSON.stringify(found));
});
