/** Both limiters keep the same promises; the one in Redis keeps them without it as well. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RequestLimiter, TakenRequest } from '../../core/ports.ts';
import { RedisLimiter } from '../../stores/redis-limiter.ts';
import { MemoryLimiter } from '../../stores/request-limiter.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, redisIsMissing, startRedis } from '../support/redis-server.ts';

interface Bench {
  readonly limiter: RequestLimiter;
  /** What the windows are kept in forgets them, as a minute later. */
  endWindows(): Promise<void>;
}

const clock = { now: () => Date.now() };

async function openMemory(t: TestContext): Promise<Bench> {
  t.mock.timers.enable({ apis: ['Date'] });
  return {
    limiter: new MemoryLimiter(),
    async endWindows() {
      t.mock.timers.setTime(Date.now() + 60_000);
    },
  };
}

interface RedisBench extends Bench {
  readonly redis: Awaited<ReturnType<typeof startRedis>>;
  readonly said: string[];
}

async function openRedis(t: TestContext): Promise<RedisBench> {
  const redis = await startRedis(t);
  const said: string[] = [];
  const limiter = await RedisLimiter.open({
    url: redis.url,
    clock,
    onTrouble: () => said.push('trouble'),
    onRecovery: () => said.push('recovery'),
  });
  t.after(() => limiter.close());
  return {
    limiter,
    redis,
    said,
    async endWindows() {
      await redis.kill();
      await redis.start();
      await answersAgain(limiter, said);
    },
  };
}

/** By requests of somebody else, until it has said that Redis answers. */
async function answersAgain(limiter: RequestLimiter, said: readonly string[]): Promise<void> {
  await eventually(async () => {
    await limiter.take('somebody else', 1_000_000);
    assert.equal(said.at(-1) ?? 'recovery', 'recovery');
  });
}

function remaining(taken: readonly TakenRequest[]): readonly number[] {
  return taken.flatMap(({ accepted, remaining }) => (accepted ? [remaining] : [])).sort((a, b) => b - a);
}

const versions: readonly (readonly [
  name: string,
  open: (t: TestContext) => Promise<Bench>,
  skip: string | false,
])[] = [
  ['in memory', openMemory, false],
  ['in Redis', openRedis, redisIsMissing],
];

for (const [name, open, skip] of versions) {
  test(`${name}: one after another, until none is left; keys apart`, { skip }, async (t) => {
    const { limiter } = await open(t);
    const taken: TakenRequest[] = [];
    for (let i = 0; i < 5; i += 1) taken.push(await limiter.take('a', 3));
    assert.deepEqual(
      taken.map((one) => [one.accepted, one.remaining]),
      [
        [true, 2],
        [true, 1],
        [true, 0],
        [false, 0],
        [false, 0],
      ],
    );
    for (const { endsInMs } of taken) assert.ok(endsInMs > 0 && endsInMs <= 60_000, String(endsInMs));
    assert.equal((await limiter.take('b', 3)).remaining, 2);
  });

  test(`${name}: at once, exactly as many as the limit says`, { skip }, async (t) => {
    const { limiter } = await open(t);
    const taken = await Promise.all(Array.from({ length: 200 }, () => limiter.take('a', 120)));
    assert.deepEqual(
      remaining(taken),
      Array.from({ length: 120 }, (_, i) => 119 - i),
    );
  });

  test(`${name}: a window that has ended is a new one`, { skip }, async (t) => {
    const { limiter, endWindows } = await open(t);
    await limiter.take('a', 1);
    assert.equal((await limiter.take('a', 1)).accepted, false);
    await endWindows();
    assert.equal((await limiter.take('a', 1)).accepted, true);
  });
}

test('two limiters count together in one Redis', { skip: redisIsMissing }, async (t) => {
  const { limiter, redis, said } = await openRedis(t);
  const onTrouble = (): unknown => said.push('trouble');
  const other = await RedisLimiter.open({ url: redis.url, clock, onTrouble, onRecovery: onTrouble });
  const taken = await Promise.all(
    Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? limiter : other).take('a', 70)),
  );
  assert.deepEqual(
    remaining(taken),
    Array.from({ length: 70 }, (_, i) => 69 - i),
  );
  other.close();
  assert.deepEqual(said, []);
});

test(
  'without Redis each counts by itself, says so once, and goes back',
  { skip: redisIsMissing },
  async (t) => {
    const { limiter, redis, said } = await openRedis(t);
    await limiter.take('a', 2);
    await redis.kill();
    const alone = await Promise.all(Array.from({ length: 10 }, () => limiter.take('a', 2)));
    assert.equal(remaining(alone).length, 2);
    assert.deepEqual(said, ['trouble']);
    await redis.start();
    await answersAgain(limiter, said);
    assert.deepEqual(said, ['trouble', 'recovery']);
    assert.equal((await limiter.take('a', 2)).remaining, 1);
  },
);

test('a Redis that answers nothing keeps nobody waiting', { skip: redisIsMissing }, async (t) => {
  const { limiter, redis, said } = await openRedis(t);
  redis.halt();
  t.after(() => redis.goOn());
  const taken = await Promise.all(Array.from({ length: 50 }, () => limiter.take('a', 20)));
  assert.equal(remaining(taken).length, 20);
  assert.deepEqual(said, ['trouble']);
  redis.goOn();
  await answersAgain(limiter, said);
});

test('where no Redis is at start, requests are counted all the same', async (t) => {
  const said: string[] = [];
  const limiter = await RedisLimiter.open({
    url: `redis://:a-password@127.0.0.1:${await freePort()}`,
    clock,
    onTrouble: (error) => said.push(String(error)),
    onRecovery: () => said.push('recovery'),
  });
  t.after(() => limiter.close());
  assert.equal((await limiter.take('a', 2)).remaining, 1);
  assert.equal((await limiter.take('a', 2)).remaining, 0);
  assert.equal((await limiter.take('a', 2)).accepted, false);
  assert.equal(said.length, 1);
  assert.ok(!said[0]?.includes('a-password'));
});
