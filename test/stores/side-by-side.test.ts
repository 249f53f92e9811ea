import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { AtMost, sideBySide } from '../../stores/side-by-side.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('each has its turn, many at the same time, and not all of them', async () => {
  const done: number[] = [];
  let [now, most] = [0, 0];
  await sideBySide(Array(1000).keys(), async (item) => {
    most = Math.max(most, (now += 1));
    await new Promise(setImmediate);
    now -= 1;
    done.push(item);
  });
  assert.deepEqual(
    done.sort((a, b) => a - b),
    [...Array(1000).keys()],
  );
  assert.ok(most > 16 && most < 1000, `${most} at once`);
});

test('it throws what failed first once all has ended that began, and nothing else begins', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = sideBySide(Array(1000).keys(), async (item) => {
    begun.push(item);
    await new Promise(setImmediate);
    if (item === 3) throw new Error('the third');
    ended += 1;
  });
  await assert.rejects(work, /the third/);
  assert.ok(begun.length < 1000, `${begun.length} begun`);
  assert.equal(ended, begun.length - 1);
});

test('thousands of files are put into new folders by a process that may have few open', async (t) => {
  const root = join(await temporaryDirectory(t), 'site');
  const program = `
    import { SiteDirectory } from ${JSON.stringify(new URL('../../stores/site-directory.ts', import.meta.url).href)};
    const site = new SiteDirectory({ root: ${JSON.stringify(root)}, blobPath: (digest) => digest });
    const files = Array.from({ length: 4000 }, (_, i) => ({ path: 'a/b/c' + (i % 500) + '/' + i, body: { bytes: Buffer.from('text') } }));
    await site.put(files);
    await site.remove(files.map(({ path }) => path));`;
  const limited = 'ulimit -n 300 && exec "$0" --import tsx --input-type module --eval "$1"';
  const { status, stderr } = spawnSync('sh', ['-c', limited, process.execPath, program], {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url).pathname,
  });
  assert.equal(status, 0, stderr);
});

test('no more than so many work at the same time; the others come in their order, also after a failure', async () => {
  const lanes = new AtMost(2);
  const ends: ((error?: Error) => void)[] = [];
  const begun: number[] = [];
  const work = (n: number): Promise<void> =>
    lanes.run(
      () =>
        new Promise((resolve, reject) => {
          begun.push(n);
          ends[n] = (error) => (error ? reject(error) : resolve());
        }),
    );
  const all = [0, 1, 2, 3].map(work);
  const settled = Promise.allSettled(all);
  const turn = (): Promise<void> => new Promise((next) => setImmediate(next));
  await turn();
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.(new Error('full'));
  await turn();
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await turn();
  assert.deepEqual(begun, [0, 1, 2, 3]);
  ends[3]?.();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  await lanes.run(() => Promise.resolve());
});
