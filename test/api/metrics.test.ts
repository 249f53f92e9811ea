/** What Prometheus is told: the figures there are, that they move, and that no client can choose a label. */
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMetrics, type Gauges } from '../../api/metrics.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, send } from '../support/http.ts';
import { openWorld } from '../support/registry.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { x07Api } from '../support/x07-api.ts';
import { packX07 } from '../support/x07-package.ts';

type Figures = ReadonlyMap<string, number>;

/** Samples by name and labels, as they are written. */
function figuresIn(text: string): Figures {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line): [string, number] => {
        const end = line.lastIndexOf(' ');
        return [line.slice(0, end), Number(line.slice(end + 1))];
      }),
  );
}

async function figuresOf(url: string): Promise<Figures> {
  const answer = await send(url, '/metrics');
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  return figuresIn(answer.text);
}

/** How much a sample has grown; one that was not there began at 0. */
function growth(before: Figures, after: Figures, sample: string): number {
  return (after.get(sample) ?? 0) - (before.get(sample) ?? 0);
}

const still: Gauges = {
  queueDepth: () => 0,
  logEvents: () => 0,
  siteEvents: () => 0,
  siteAgeSeconds: () => 0,
};

test('every figure has a type and a help text, and gauges are read when somebody asks', async () => {
  let depth = 3;
  const metrics = createMetrics(
    { queueDepth: () => depth, logEvents: () => 10, siteEvents: () => 8, siteAgeSeconds: () => 1.5 },
    '1.2.3',
  );
  metrics.request({ surface: 'x07', method: 'POST', status: 409, seconds: 0.02, code: 'version-exists' });
  metrics.batch({ requests: 2, events: 5, seconds: 0.004 });
  metrics.visible(0.25);
  const { text } = await metrics.render();
  const types = {
    cairn_append_queue_depth: 'gauge',
    cairn_log_events: 'gauge',
    cairn_site_events: 'gauge',
    cairn_site_age_seconds: 'gauge',
    cairn_build_info: 'gauge',
    cairn_append_batch_events: 'histogram',
    cairn_append_seconds: 'histogram',
    cairn_publish_lag_seconds: 'histogram',
    cairn_http_write_seconds: 'histogram',
    cairn_refusals_total: 'counter',
    cairn_http_requests_total: 'counter',
    process_cpu_seconds_total: 'counter',
  };
  for (const [name, type] of Object.entries(types)) {
    assert.match(text, new RegExp(`^# HELP ${name} \\S.*$`, 'm'));
    assert.match(text, new RegExp(`^# TYPE ${name} ${type}$`, 'm'));
  }
  const figures = figuresIn(text);
  const wanted = {
    cairn_append_queue_depth: 3,
    cairn_log_events: 10,
    cairn_site_events: 8,
    cairn_site_age_seconds: 1.5,
    'cairn_build_info{version="1.2.3"}': 1,
    cairn_append_batch_events_sum: 5,
    cairn_append_batch_events_count: 1,
    'cairn_append_batch_events_bucket{le="4"}': 0,
    'cairn_append_batch_events_bucket{le="8"}': 1,
    cairn_append_seconds_sum: 0.004,
    cairn_publish_lag_seconds_sum: 0.25,
    'cairn_http_write_seconds_sum{surface="x07"}': 0.02,
    'cairn_refusals_total{surface="x07",code="version-exists"}': 1,
    'cairn_http_requests_total{surface="x07",method="POST",status="409"}': 1,
  };
  for (const [sample, value] of Object.entries(wanted)) assert.equal(figures.get(sample), value, sample);
  depth = 0;
  assert.equal(figuresIn((await metrics.render()).text).get('cairn_append_queue_depth'), 0);
});

test('requests that wait for the next append are the depth of the queue', async () => {
  const world = await openWorld();
  const metrics = createMetrics({ ...still, queueDepth: () => world.writer.waiting }, '0');
  const depth = async (): Promise<number | undefined> =>
    figuresIn((await metrics.render()).text).get('cairn_append_queue_depth');
  assert.equal(await depth(), 0);
  const writes = ['a', 'b', 'c'].map((name) => world.publish(name, '1.0.0'));
  assert.equal(world.writer.waiting, 3);
  await Promise.all(writes);
  assert.equal(await depth(), 0);
});

test('a method that a client made up is counted as another one', async () => {
  const metrics = createMetrics(still, '0');
  for (const method of ['GET', 'BREW', 'PROPFIND', 'get'])
    metrics.request({ surface: 'none', method, status: 405, seconds: 0 });
  const figures = figuresIn((await metrics.render()).text);
  assert.equal(figures.get('cairn_http_requests_total{surface="none",method="GET",status="405"}'), 1);
  assert.equal(figures.get('cairn_http_requests_total{surface="none",method="other",status="405"}'), 3);
  // What is counted twice is reported twice, not four times.
  assert.equal(
    figuresIn((await metrics.render()).text).get(
      'cairn_http_requests_total{surface="none",method="GET",status="405"}',
    ),
    1,
  );
});

test('figures move with what is asked, written and refused', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  // The publisher of a server that has just started may still be at its first look.
  const before = await eventually(async () => {
    const figures = await figuresOf(server.url);
    assert.equal(figures.get('cairn_site_events'), 1);
    return figures;
  });
  await api.publish({ name: 'counted', version: '1.0.0' }, ADMIN_TOKEN);
  await api.refuses([
    [
      'once more',
      {
        path: 'v1/packages/publish',
        token: ADMIN_TOKEN,
        body: packX07({ name: 'counted', version: '1.0.0' }),
      },
      409,
      'ALREADY_PUBLISHED',
    ],
    ['nobody', { path: 'v1/account' }, 401, 'AUTH_REQUIRED'],
    ['nothing', { path: 'v1/packages/nobody' }, 404, 'NOT_FOUND'],
    ['nothing again', { path: 'v1/packages/nobody' }, 404, 'NOT_FOUND'],
  ]);
  await send(server.url, '/elsewhere');
  await api.ask({ path: 'index/config.json' });
  const after = await figuresOf(server.url);
  const grown = {
    // A claim and a version, in one append.
    cairn_log_events: 2,
    cairn_site_events: 2,
    cairn_append_batch_events_sum: 2,
    cairn_append_batch_events_count: 1,
    cairn_append_seconds_count: 1,
    cairn_publish_lag_seconds_count: 1,
    'cairn_http_write_seconds_count{surface="x07"}': 2,
    'cairn_refusals_total{surface="x07",code="version-exists"}': 1,
    'cairn_refusals_total{surface="x07",code="unauthenticated"}': 1,
    'cairn_refusals_total{surface="x07",code="package-not-found"}': 2,
    'cairn_refusals_total{surface="none",code="no-route"}': 1,
    'cairn_http_requests_total{surface="x07",method="POST",status="200"}': 1,
    'cairn_http_requests_total{surface="x07",method="POST",status="409"}': 1,
    'cairn_http_requests_total{surface="x07",method="GET",status="200"}': 1,
    'cairn_http_requests_total{surface="x07",method="GET",status="404"}': 2,
    'cairn_http_requests_total{surface="none",method="GET",status="404"}': 1,
  };
  for (const [sample, by] of Object.entries(grown)) assert.equal(growth(before, after, sample), by, sample);
  assert.equal(after.get('cairn_append_queue_depth'), 0);
  assert.equal(after.get('cairn_site_age_seconds'), 0);
});

test('no figure names a package, an account or a token', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  const token = await makeToken(server.data, { handle: 'somebody-special', scopes: ['publish', 'tokens'] });
  await api.publish({ name: 'something-special', version: '1.0.0' }, token);
  await send(server.url, '/something-special?somebody-special', { method: 'DELETE' });
  await send(server.url, `/x07/v1/packages/something-special/9.9.9/metadata?token=${token}`);
  await send(server.url, '/x07/v1/account', { headers: bearer('a-made-up-token') });
  const { text } = await send(server.url, '/metrics');
  for (const secret of ['special', token, token.replace('cairn_', ''), 'made-up', ADMIN_TOKEN, server.data])
    assert.ok(!text.includes(secret), secret);
  const labels = new Set([...text.matchAll(/(\w+)="/g)].map(([, label]) => label));
  for (const label of ['surface', 'method', 'status', 'code', 'version', 'le']) labels.delete(label);
  // What is left are those that Node's own figures have.
  for (const label of labels) assert.match(String(label), /^(major|minor|patch|space|type|kind)$/);
});

test('the age of the site grows while it cannot be written, and is 0 again when it can', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  await api.publish({ name: 'before', version: '1.0.0' }, ADMIN_TOKEN);
  // Where a folder has to be, there is a file.
  const folder = join(server.data, 'site/x07/v1/packages');
  await rename(folder, `${folder}.away`);
  await writeFile(folder, '');
  const accepted = await send(server.url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(ADMIN_TOKEN),
    body: packX07({ name: 'unseen', version: '1.0.0' }),
  });
  assert.equal(accepted.status, 200, accepted.text);
  assert.match(accepted.text, /"degraded":/);
  assert.equal((await send(server.url, '/readyz')).status, 503);
  const lagging = await figuresOf(server.url);
  const behind = (figures: Figures): number =>
    (figures.get('cairn_log_events') ?? 0) - (figures.get('cairn_site_events') ?? 0);
  assert.equal(behind(lagging), 2);
  const age = lagging.get('cairn_site_age_seconds') ?? 0;
  assert.ok(age > 0, `${age} seconds`);
  const later = await figuresOf(server.url);
  assert.ok((later.get('cairn_site_age_seconds') ?? 0) > age, 'it grows');
  await rename(`${folder}.away`, `${folder}.back`);
  await rename(folder, `${folder}.away`);
  await rename(`${folder}.back`, folder);
  await eventually(async () => {
    const figures = await figuresOf(server.url);
    assert.deepEqual([behind(figures), figures.get('cairn_site_age_seconds')], [0, 0]);
  });
  assert.equal((await send(server.url, '/readyz')).status, 200);
});
