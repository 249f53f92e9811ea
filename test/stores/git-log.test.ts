import assert from 'node:assert/strict';
import { mkdir, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LogDamage, RegistryError } from '../../core/errors.ts';
import { registryLines, type RegistryEvent } from '../../core/event.ts';
import { keepRepositoryTidy } from '../../stores/git-maintenance.ts';
import { openLogReader, openLogWriter, writerLockPath, type GitLog } from '../../stores/git-log.ts';
import { LockHeld } from '../../stores/writer-lock.ts';
import { eventsIn, someEvents } from '../support/event-log-contract.ts';
import { commitByHand, git } from '../support/git.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

type Log = GitLog<RegistryEvent>;
const COPY = 'cairn-copy.ndjson';

async function aRepository(t: TestContext): Promise<string> {
  return join(await temporaryDirectory(t), 'log.git');
}

/** A log of `count` events whose writer is gone. */
async function aWrittenLog(t: TestContext, count: number): Promise<string> {
  const repository = await aRepository(t);
  const log = await openLogWriter({ repository, lines: registryLines });
  await log.append(someEvents(0, count));
  await log.close();
  return repository;
}

async function openBoth(t: TestContext, repository: string): Promise<{ writer: Log; reader: Log }> {
  const writer = await openLogWriter({ repository, lines: registryLines });
  const reader = await openLogReader({ repository, lines: registryLines });
  t.after(() => Promise.all([writer.close(), reader.close()]));
  return { writer, reader };
}

async function reading(t: TestContext, repository: string): Promise<Log> {
  const reader = await openLogReader({ repository, lines: registryLines });
  t.after(() => reader.close());
  return reader;
}

test('the log can be read with git log -p, and git finds no fault with it', async (t) => {
  const repository = await aRepository(t);
  const log = await openLogWriter({ repository, lines: registryLines });
  await log.append(someEvents(0, 1));
  await log.append(someEvents(1, 300));
  await log.append(someEvents(301, 1));
  await log.close();
  assert.equal(git(repository, ['fsck', '--full', '--strict', '--no-dangling']), '');
  const text = git(repository, ['log', '-p', 'main']);
  assert.match(text, /^ {4}published x07\/foo 1\.301\.0$/m);
  assert.match(text, /^ {4}published x07\/foo 1\.1\.0, and 299 more$/m);
  assert.match(text, /^ {4}genesis$/m);
  const added = text.split('\n').filter((line) => line.startsWith('+{'));
  assert.deepEqual(
    added.map((line) => (JSON.parse(line.slice(1)) as RegistryEvent).seq).sort((a, b) => a - b),
    Array.from({ length: 302 }, (_, seq) => seq),
  );
  // A second of its own per event: the date of a commit is that of its last one.
  const dates = git(repository, ['log', '--reverse', '--format=%aI', 'main']).trim().split('\n');
  assert.equal(dates[0], '2026-01-02T03:04:05+00:00');
  assert.equal(dates[1], '2026-01-02T03:09:05+00:00');
});

test('a new log is a repository of SHA-1, files and no hooks, and can be cloned', async (t) => {
  const repository = await aWrittenLog(t, 3);
  assert.equal(git(repository, ['rev-parse', '--show-object-format']).trim(), 'sha1');
  assert.equal(git(repository, ['symbolic-ref', 'HEAD']).trim(), 'refs/heads/main');
  assert.equal(git(repository, ['rev-parse', '--is-bare-repository']).trim(), 'true');
  assert.equal(git(repository, ['config', '--get', 'gc.auto']).trim(), '0');
  assert.ok(!(await readdir(repository)).includes('hooks'));
  const clone = join(await temporaryDirectory(t), 'clone');
  git(repository, ['clone', '--quiet', repository, clone]);
  assert.deepEqual(await readdir(join(clone, 'log')), ['0000']);
});

test('a directory holds 100 segments: a commit writes none of the others again', async (t) => {
  const repository = await aWrittenLog(t, 100 * 256);
  const writer = await openLogWriter({ repository, lines: registryLines });
  t.after(() => writer.close());
  await writer.append(someEvents(100 * 256, 1));
  assert.deepEqual(git(repository, ['diff', '--name-status', 'main~', 'main']).trim().split('\t'), [
    'A',
    'log/0001/000100.ndjson',
  ]);
  const before = git(repository, ['rev-parse', 'main~:log/0000', 'main:log/0000']).trim().split('\n');
  assert.equal(before[0], before[1]);
  assert.equal(git(repository, ['ls-tree', '--name-only', 'main:log/0000']).trim().split('\n').length, 100);
  assert.equal(git(repository, ['fsck', '--full', '--strict', '--no-dangling']), '');
  const reader = await reading(t, repository);
  assert.deepEqual(reader.read(100 * 256), someEvents(100 * 256, 1)[0]);
});

test('the same batches give the same commits in two repositories', async (t) => {
  const heads: string[] = [];
  for (const repository of [await aRepository(t), await aRepository(t)]) {
    const log = await openLogWriter({ repository, lines: registryLines });
    await log.append(someEvents(0, 1));
    await log.append(someEvents(1, 260));
    await log.close();
    heads.push(git(repository, ['rev-list', 'main']));
  }
  assert.equal(heads[0], heads[1]);
});

test('a second writer is refused while the first one lives', async (t) => {
  const repository = await aRepository(t);
  const log = await openLogWriter({ repository, lines: registryLines, contact: 'a socket' });
  await assert.rejects(
    openLogWriter({ repository, lines: registryLines }),
    (error) => error instanceof LockHeld && error.owner.contact === 'a socket',
  );
  await log.close();
  await (await openLogWriter({ repository, lines: registryLines })).close();
});

test('there is nothing to read where no log is', async (t) => {
  await assert.rejects(
    openLogReader({ repository: await aRepository(t), lines: registryLines }),
    (error) => error instanceof RegistryError && error.code === 'not-found',
  );
});

test('a log that was opened for reading takes no events', async (t) => {
  const reader = await reading(t, await aWrittenLog(t, 1));
  await assert.rejects(reader.append(someEvents(1, 1)), /opened for reading/);
});

const harms: Record<string, (copy: string) => Promise<void>> = {
  missing: (copy) => rm(copy),
  empty: (copy) => truncate(copy, 0),
  'cut off in the middle of a segment': (copy) => truncate(copy, 90_000),
  'wrong in its first line': (copy) => overwrite(copy, 10, 'X'),
  'wrong in its second segment': async (copy) => overwrite(copy, (await stat(copy)).size / 2, 'XXXX'),
  'longer than the log': (copy) => writeFile(copy, 'what was never committed\n', { flag: 'a' }),
};

async function overwrite(path: string, position: number, text: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(text, Math.floor(position));
  await file.close();
}

for (const [harm, damage] of Object.entries(harms))
  test(`a copy that is ${harm} changes nothing that is read`, async (t) => {
    const repository = await aWrittenLog(t, 600);
    await damage(join(repository, COPY));
    const reader = await reading(t, repository);
    assert.deepEqual(eventsIn(reader), someEvents(0, 600));
    const { writer } = await openBoth(t, repository);
    assert.deepEqual(eventsIn(writer), someEvents(0, 600));
    await writer.append(someEvents(600, 200));
    assert.deepEqual(eventsIn(writer), someEvents(0, 800));
    await reader.refresh();
    assert.deepEqual(eventsIn(reader), someEvents(0, 800));
    assert.deepEqual(eventsIn(await reading(t, repository)), someEvents(0, 800));
  });

interface Harm {
  readonly change: (files: Map<string, string>) => void;
  /** Whether a process that sees the log for the first time can tell; without a memory of it, some things are not wrong. */
  readonly showsToStrangers: boolean;
}
const segment = (index: number): string => `log/0000/00000${index}.ndjson`;
const inSegment =
  (index: number, change: (lines: string[]) => string[]) =>
  (files: Map<string, string>): void => {
    const lines = (files.get(segment(index)) ?? '').split('\n').slice(0, -1);
    files.set(
      segment(index),
      change(lines)
        .map((line) => `${line}\n`)
        .join(''),
    );
  };
const lineOf = (seq: number, over: object = {}): string =>
  JSON.stringify({ ...someEvents(seq, 1)[0], ...over });

const damages: Record<string, Harm> = {
  'changes a line of a full segment': {
    change: inSegment(0, (lines) => lines.map((line) => line.replace('1.7.0', '1.7.1'))),
    showsToStrangers: false,
  },
  'changes a line of the last segment': {
    change: inSegment(1, (lines) => lines.map((line) => line.replace('1.260.0', '1.260.1'))),
    showsToStrangers: false,
  },
  'takes the last lines away': {
    change: inSegment(1, (lines) => lines.slice(0, -2)),
    showsToStrangers: false,
  },
  'takes the last segment away': { change: (files) => files.delete(segment(1)), showsToStrangers: false },
  'swaps two lines': {
    change: inSegment(1, ([a = '', b = '', ...rest]) => [b, a, ...rest]),
    showsToStrangers: true,
  },
  'adds an event of a kind that nobody knows': {
    change: inSegment(1, (lines) => [...lines, lineOf(300, { kind: 'renamed' })]),
    showsToStrangers: true,
  },
  'adds a line of a format to come': {
    change: inSegment(1, (lines) => [...lines, lineOf(300, { v: 2 })]),
    showsToStrangers: true,
  },
  'adds a line that is no JSON': {
    change: inSegment(1, (lines) => [...lines, '{"v":1']),
    showsToStrangers: true,
  },
  'adds an event with a wrong number': {
    change: inSegment(1, (lines) => [...lines, lineOf(301)]),
    showsToStrangers: true,
  },
  'adds an event from before the one before it': {
    change: inSegment(1, (lines) => [...lines, lineOf(300, { at: '2026-01-02T03:04:05.000Z' })]),
    showsToStrangers: true,
  },
  'ends in the middle of a line': {
    change: (files) => files.set(segment(1), `${files.get(segment(1))}${lineOf(300)}`),
    showsToStrangers: true,
  },
  'leaves a segment out': {
    change: (files) => files.set(segment(3), `${lineOf(768)}\n`),
    showsToStrangers: true,
  },
  'starts a segment before the last one is full': {
    change: (files) => files.set(segment(2), `${lineOf(300)}\n`),
    showsToStrangers: true,
  },
  'puts too many lines into a segment': {
    change: inSegment(0, (lines) => [...lines, lineOf(256)]),
    showsToStrangers: true,
  },
  'empties the last segment': { change: (files) => files.set(segment(1), ''), showsToStrangers: true },
  'adds a file that is no segment': {
    change: (files) => files.set('README.md', 'hello'),
    showsToStrangers: true,
  },
};

for (const [damage, { change, showsToStrangers }] of Object.entries(damages))
  test(`a commit that ${damage} stops everyone, loudly`, async (t) => {
    const repository = await aWrittenLog(t, 300);
    const { writer, reader } = await openBoth(t, repository);
    const { head } = reader;
    eventsIn(reader);
    commitByHand(repository, change);
    const readAll = async (log: Log): Promise<void> => {
      await log.refresh();
      eventsIn(log);
    };
    await assert.rejects(readAll(reader), LogDamage);
    await assert.rejects(writer.append(someEvents(writer.length, 1)), LogDamage);
    await assert.rejects(readAll(writer), LogDamage);
    const stranger = async (): Promise<Log> => {
      const log = await reading(t, repository);
      eventsIn(log);
      return log;
    };
    if (showsToStrangers) await assert.rejects(stranger(), LogDamage);
    else assert.equal(await (await stranger()).carriesOn(head), false);
  });

test('a log that has lost its branch stops its readers', async (t) => {
  const repository = await aWrittenLog(t, 3);
  const { reader } = await openBoth(t, repository);
  git(repository, ['update-ref', '-d', 'refs/heads/main']);
  await assert.rejects(reader.refresh(), LogDamage);
});

test('a log whose objects are gone stops its readers', async (t) => {
  const repository = await aWrittenLog(t, 300);
  await rm(join(repository, COPY));
  const blob = git(repository, ['rev-parse', `main:${segment(0)}`]).trim();
  await rm(join(repository, 'objects', blob.slice(0, 2), blob.slice(2)));
  await assert.rejects(openLogReader({ repository, lines: registryLines }), LogDamage);
});

test('a branch that moved behind the writer refuses its next append, and refresh shows what is there', async (t) => {
  const repository = await aWrittenLog(t, 3);
  const { writer } = await openBoth(t, repository);
  commitByHand(repository, (files) => files.set(segment(0), `${files.get(segment(0))}${lineOf(3)}\n`));
  await assert.rejects(writer.append(someEvents(3, 2)), LogDamage);
  assert.equal(writer.length, 3);
  await writer.refresh();
  assert.equal(writer.length, 4);
  await writer.append(someEvents(4, 2));
  assert.deepEqual(eventsIn(await reading(t, repository)), someEvents(0, 6));
});

test('a writer whose lock somebody took away writes nothing more', async (t) => {
  const repository = await aWrittenLog(t, 3);
  const { writer } = await openBoth(t, repository);
  await rm(writerLockPath(repository));
  await assert.rejects(writer.append(someEvents(3, 1)), LogDamage);
  assert.equal((await reading(t, repository)).length, 3);
});

test('a batch over two segments that failed leaves no trace in the next, smaller one', async (t) => {
  const repository = await aWrittenLog(t, 250);
  const { writer } = await openBoth(t, repository);
  const { head } = writer;
  commitByHand(repository, (files) => files.set('README.md', 'hello'));
  await assert.rejects(writer.append(someEvents(250, 20)), LogDamage);
  git(repository, ['update-ref', 'refs/heads/main', head]);
  await writer.refresh();
  await writer.append(someEvents(250, 2));
  assert.deepEqual(eventsIn(await reading(t, repository)), someEvents(0, 252));
  await writer.append(someEvents(252, 30));
  assert.deepEqual(eventsIn(await reading(t, repository)), someEvents(0, 282));
});

test('what a killed writer left is cleared by the next one', async (t) => {
  const repository = await aWrittenLog(t, 3);
  const old = new Date(Date.now() - 60_000);
  const lock = await open(join(repository, 'refs/heads/main.lock'), 'w');
  await lock.utimes(old, old);
  await lock.close();
  await mkdir(join(repository, 'objects/ab'), { recursive: true });
  await writeFile(join(repository, 'objects/ab/tmp_obj_1_1'), 'half an object');
  const { writer } = await openBoth(t, repository);
  await writer.append(someEvents(3, 1));
  assert.deepEqual(await readdir(join(repository, 'objects/ab')).catch(() => []), []);
  assert.equal(git(repository, ['fsck', '--full', '--strict', '--no-dangling']), '');
});

async function looseObjects(repository: string): Promise<number> {
  const directories = (await readdir(join(repository, 'objects'))).filter((name) =>
    /^[0-9a-f]{2}$/.test(name),
  );
  const lists = await Promise.all(directories.map((name) => readdir(join(repository, 'objects', name))));
  return lists.flat().length;
}

test('maintenance packs a log under its running writer, and everything stays readable', async (t) => {
  const repository = await aWrittenLog(t, 10);
  const { writer, reader } = await openBoth(t, repository);
  let length = 10;
  const appendSome = async (): Promise<void> => {
    for (let batch = 0; batch < 5; batch += 1) {
      await writer.append(someEvents(length, 60));
      length += 60;
    }
  };
  // As many objects as it takes to start a round; rounds are two-phase, so the loose ones go with the second.
  for (let round = 0; round < 3; round += 1) {
    const tidying = keepRepositoryTidy(repository);
    tidying.wrote(1_000_000);
    await Promise.all([appendSome(), tidying.stop()]);
  }
  const packs = (await readdir(join(repository, 'objects/pack'))).filter((name) => name.endsWith('.pack'));
  assert.ok(packs.length > 0, 'nothing was packed');
  assert.ok((await looseObjects(repository)) < length / 10, 'loose objects stayed');
  await appendSome();
  await reader.refresh();
  assert.deepEqual(eventsIn(reader), someEvents(0, length));
  assert.deepEqual(eventsIn(writer), someEvents(0, length));
  await rm(join(repository, COPY));
  assert.deepEqual(eventsIn(await reading(t, repository)), someEvents(0, length));
  assert.equal(git(repository, ['fsck', '--full', '--strict', '--no-dangling']), '');
});

test('packed references are read like loose ones', async (t) => {
  const repository = await aWrittenLog(t, 3);
  git(repository, ['pack-refs', '--all']);
  const { writer, reader } = await openBoth(t, repository);
  assert.equal(reader.length, 3);
  await writer.append(someEvents(3, 1));
  await reader.refresh();
  assert.deepEqual(eventsIn(reader), someEvents(0, 4));
});
