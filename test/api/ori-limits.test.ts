/** Limits as Ori's plan has them (contract, section 9, test 9 of section 16): 1000 requests a minute with a token, 100 without. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Answer } from '../support/http.ts';
import { assertProblem, oriApi, oriToken, pathOf, type OriApi } from '../support/ori-api.ts';
import { openTestServer } from '../support/test-server.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const fields = [
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'ratelimit-policy',
  'ratelimit',
];
const said = ({ headers }: Answer): unknown[] => fields.map((field) => headers[field]);

async function opened(t: TestContext): Promise<{ ori: OriApi; token: string; forward(ms: number): void }> {
  t.mock.timers.enable({ apis: ['Date'], now: START });
  const server = await openTestServer(t);
  const token = await oriToken(server.data, 'alice');
  const ori = oriApi(server);
  await ori.publish({ name: '@acme/json' }, token);
  return { ori, token, forward: (ms) => t.mock.timers.setTime(Date.now() + ms) };
}

test('the 101st request of a minute without a token is refused, whatever the others were', async (t) => {
  const { ori, token, forward } = await opened(t);
  const reset = String(START / 1000 + 60);
  const paths = [
    pathOf('@acme/json', 'versions'),
    pathOf('@acme/none', 'versions'),
    'v1/search',
    'v1/search?q=json',
    'v1/x',
  ];
  const sent = Array.from({ length: 98 }, (_, i) => ({ path: paths[i % paths.length] ?? '' }));
  const bad = { path: pathOf('@acme/json', 'versions'), token: 'ori_nope' };
  const write = { path: pathOf('@acme/json', '1.0.0/yank'), json: {} };
  for (const [i, asked] of [...sent, bad, write].entries()) {
    const answer = await ori.ask(asked);
    assert.notEqual(answer.status, 429);
    assert.deepEqual(said(answer), [
      '100',
      String(99 - i),
      reset,
      '"anonymous";q=100;w=60',
      `"anonymous";r=${99 - i};t=60`,
    ]);
    assert.equal(answer.headers['retry-after'], undefined);
  }
  forward(23_000);
  for (const asked of [...sent.slice(0, 5), bad, write]) {
    const answer = await ori.ask(asked);
    assertProblem(answer, 429, 'rate_limited');
    assert.deepEqual(said(answer), ['100', '0', reset, '"anonymous";q=100;w=60', '"anonymous";r=0;t=37']);
    assert.equal(answer.headers['retry-after'], '37');
  }
  // Who has a token is counted apart; one request went before: the publish.
  const answer = await ori.ask({ path: pathOf('@acme/json', 'versions'), token });
  assert.equal(answer.status, 200);
  assert.deepEqual(said(answer), ['1000', '998', reset, '"token";q=1000;w=60', '"token";r=998;t=37']);
  forward(37_000);
  assert.equal((await ori.ask({ path: pathOf('@acme/json', 'versions') })).status, 200);
});

test('the 1001st request of a minute with a token is refused', async (t) => {
  const { ori, token } = await opened(t);
  const asked = { method: 'HEAD', path: pathOf('@acme/json', 'versions'), token };
  for (let i = 0; i < 999; i += 1) assert.equal((await ori.ask(asked)).status, 200, String(i));
  assertProblem(await ori.ask({ ...asked, method: 'GET' }), 429, 'rate_limited');
  assert.equal((await ori.ask({ path: asked.path })).status, 200, 'its address is another');
});
