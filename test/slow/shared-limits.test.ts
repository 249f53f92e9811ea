/** Two servers that count requests in one Redis, while it is there, while it is not, and when it comes back. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cairnOk, cairnServe, type Running } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { redisIsMissing, startRedis, type RedisServer } from '../support/redis-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const LIMIT = 120;
const PATH = '/x07/index/config.json';

interface Pair {
  readonly servers: readonly [Running, Running];
  readonly redis: RedisServer;
  readonly tokens: readonly string[];
}

/** The same registry twice: the second has a copy of the first one's data. */
async function openPair(t: TestContext, tokenCount: number): Promise<Pair> {
  const redis = await startRedis(t);
  const directory = await temporaryDirectory(t);
  const env = { CAIRN_LIMITS: `x07=${LIMIT}`, CAIRN_LIMITS_REDIS: redis.url };
  const [first, second] = [join(directory, 'first'), join(directory, 'second')];
  const maker = await cairnServe(t, ['--data', first, '--listen', '127.0.0.1:0'], { env });
  const tokens: string[] = [];
  for (let i = 0; i < tokenCount; i += 1)
    tokens.push((await cairnOk(['token', 'create', `user-${i}`, '--data', first])).trim());
  assert.equal(await maker.stop(), 0);
  cpSync(first, second, { recursive: true });
  const [one, other] = await Promise.all(
    [first, second].map((data) => cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], { env })),
  );
  assert.ok(one && other);
  return { servers: [one, other], redis, tokens };
}

/** At once, every other one to the other server. */
function askBoth({ servers }: Pair, count: number, token = ''): Promise<readonly Answer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      send(servers[i % 2 === 0 ? 0 : 1].url, PATH, { headers: token === '' ? {} : bearer(token) }),
    ),
  );
}

/** Each place in the window is given once, and none beyond the last. */
function assertExact(answers: readonly Answer[]): void {
  const statuses = answers.map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 200).length, LIMIT);
  assert.equal(statuses.filter((status) => status === 429).length, answers.length - LIMIT);
  const left = answers.flatMap(({ status, headers }) =>
    status === 200 ? [Number(headers['x-ratelimit-remaining'])] : [],
  );
  assert.deepEqual(
    left.sort((a, b) => b - a),
    Array.from({ length: LIMIT }, (_, i) => LIMIT - 1 - i),
  );
  for (const { status, headers } of answers) {
    assert.equal(headers['ratelimit-policy'] !== undefined, true);
    if (status === 429) assert.ok(Number(headers['retry-after']) >= 1);
  }
}

/** How often each server has said so in its log. */
function said({ servers }: Pair, what: RegExp): readonly number[] {
  return servers.map(
    (server) =>
      server
        .printed()
        .stderr.split('\n')
        .filter((line) => what.test(line)).length,
  );
}

async function isBack(pair: Pair, times: number): Promise<void> {
  // By somebody whose requests nobody counts here; a server that gets none does not look.
  await eventually(async () => {
    await askBoth(pair, 2, pair.tokens.at(-1));
    assert.deepEqual(said(pair, /answers again/), [times, times], 'Redis is not back');
  });
}

test(
  'two hundred requests at once, over two processes: exactly as many are accepted as may be',
  { skip: redisIsMissing },
  async (t) => {
    const pair = await openPair(t, 2);
    const [ann = '', bob = ''] = pair.tokens;
    assertExact(await askBoth(pair, 200));
    assertExact(await askBoth(pair, 200, ann));
    assertExact(await askBoth(pair, 200, bob));
  },
);

test(
  'Redis is killed and started again under requests: all are answered, and then counts are exact again',
  { skip: redisIsMissing },
  async (t) => {
    const pair = await openPair(t, 4);
    const [ann = '', bob = '', eve = ''] = pair.tokens;
    assertExact(await askBoth(pair, 200, ann));
    const underWay = askBoth(pair, 200, bob);
    await pair.redis.kill();
    // Some were counted there and some here: each process alone accepts no more than the limit.
    const [answers, alone] = [await underWay, await askBoth(pair, 400, eve)];
    for (const { status } of [...answers, ...alone])
      assert.ok(status === 200 || status === 429, String(status));
    for (const at of [0, 1])
      assert.equal(alone.filter(({ status }, i) => i % 2 === at && status === 200).length, LIMIT);
    assert.deepEqual(said(pair, /Redis does not answer/), [1, 1]);
    await pair.redis.start();
    await isBack(pair, 1);
    assertExact(await askBoth(pair, 200, ann));
    assertExact(await askBoth(pair, 200));
    for (const server of pair.servers) {
      assert.ok(!/unhandled|Uncaught/i.test(server.printed().stderr));
      assert.equal(await server.stop(), 0);
    }
  },
);

test(
  'a Redis that hangs keeps nobody waiting, and counts are exact when it goes on',
  { skip: redisIsMissing },
  async (t) => {
    const pair = await openPair(t, 2);
    const [ann = ''] = pair.tokens;
    pair.redis.halt();
    t.after(() => pair.redis.goOn());
    const alone = await askBoth(pair, 300);
    for (const at of [0, 1])
      assert.equal(alone.filter(({ status }, i) => i % 2 === at && status === 200).length, LIMIT);
    assert.deepEqual(said(pair, /Redis does not answer/), [1, 1]);
    pair.redis.goOn();
    await isBack(pair, 1);
    assertExact(await askBoth(pair, 200, ann));
  },
);
