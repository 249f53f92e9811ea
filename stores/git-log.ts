/**
 * A log kept in a bare git repository: `log/0000/000000.ndjson`, … hold 256 events each, one per line, and a commit
 * is one durable batch. Readable with `git log -p`; written in this process, without a work tree or an index.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { simpleGit, type SimpleGit } from 'simple-git';
import { LogDamage, RegistryError } from '../core/errors.ts';
import { describeEvent, type LineCodec, type LogLine } from '../core/event.ts';
import type { EventLog } from '../core/ports.ts';
import {
  BRANCH,
  BranchMoved,
  gitCommit,
  gitObject,
  moveBranch,
  readBranch,
  ObjectWriter,
  type GitObject,
} from './git-objects.ts';
import { syncPath } from './durable-files.ts';
import { keepRepositoryTidy, type Tidying } from './git-maintenance.ts';
import { clearAfterWriter, createRepository, readBlobs } from './git-repository.ts';
import { EVENTS_PER_SEGMENT, LogSegments } from './log-segments.ts';
import { LogTrees, segmentPath } from './log-trees.ts';
import { acquireLock, type WriterLock } from './writer-lock.ts';

const LOCK_NAME = 'cairn-writer.lock';
const COPY_NAME = 'cairn-copy.ndjson';

export interface OpenLogOptions<E extends LogLine> {
  /** The bare repository; a writer creates it when it is missing. */
  readonly repository: string;
  readonly lines: LineCodec<E>;
  /** Recorded in the writer's lock: how others reach this process. */
  readonly contact?: string | undefined;
  /** Only its owner may look at it. */
  readonly isPrivate?: boolean;
}

/** Where the writer's lock of a repository lies. */
export function writerLockPath(repository: string): string {
  return join(repository, LOCK_NAME);
}

/** @throws LockHeld when another living process writes. @throws LogDamage */
export async function openLogWriter<E extends LogLine>(options: OpenLogOptions<E>): Promise<GitLog<E>> {
  await createRepository(options.repository, options.isPrivate ?? false);
  const lock = acquireLock(writerLockPath(options.repository), options.contact);
  try {
    await clearAfterWriter(options.repository);
    return await GitLog.open(options, LogSegments.openOwn(join(options.repository, COPY_NAME)), lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Reads beside a writer, without stopping it. @throws LogDamage */
export async function openLogReader<E extends LogLine>(options: OpenLogOptions<E>): Promise<GitLog<E>> {
  if (!existsSync(join(options.repository, 'HEAD')))
    throw new RegistryError(
      'not-found',
      `there is no registry in ${dirname(options.repository)}: start one with cairn serve`,
    );
  return GitLog.open(options, LogSegments.openForeign(join(options.repository, COPY_NAME)), undefined);
}

interface ListedSegment {
  readonly oid: string;
  /** Known at the first look only: to tell it, git opens every object. */
  readonly length: number | undefined;
}

export class GitLog<E extends LogLine> implements EventLog<E> {
  readonly #repository: string;
  readonly #git: SimpleGit;
  readonly #objects: ObjectWriter;
  readonly #lines: LineCodec<E>;
  readonly #segments: LogSegments;
  readonly #lock: WriterLock | undefined;
  readonly #tidying: Tidying | undefined;
  #trees = LogTrees.empty;
  #head: string | undefined;
  #checked = 0;
  #lastAt = '';

  private constructor(options: OpenLogOptions<E>, segments: LogSegments, lock: WriterLock | undefined) {
    this.#repository = options.repository;
    this.#git = simpleGit(options.repository);
    this.#objects = new ObjectWriter(options.repository);
    this.#lines = options.lines;
    this.#segments = segments;
    this.#lock = lock;
    this.#tidying = lock && keepRepositoryTidy(options.repository);
  }

  static async open<E extends LogLine>(
    options: OpenLogOptions<E>,
    segments: LogSegments,
    lock: WriterLock | undefined,
  ): Promise<GitLog<E>> {
    const log = new GitLog(options, segments, lock);
    await log.refresh();
    return log;
  }

  get length(): number {
    return this.#segments.events;
  }

  get head(): string {
    return this.#head ?? '';
  }

  /** The first look at a line checks it whole, and that its time does not go back; later looks trust that. */
  read(seq: number): E {
    const line = this.#segments.line(seq);
    if (seq < this.#checked) return JSON.parse(line) as E;
    const event = this.#lines.decode(line, seq);
    if (seq === this.#checked) {
      if (event.at < this.#lastAt)
        throw new LogDamage(`line ${seq}: its time lies before that of line ${seq - 1}`);
      this.#lastAt = event.at;
      this.#checked = seq + 1;
    }
    return event;
  }

  async append(events: readonly E[]): Promise<void> {
    if (!this.#lock) throw new Error('this log was opened for reading');
    if (!this.#lock.isHeld())
      throw new LogDamage("the writer's lock is gone: another process may be writing; stop and look");
    const changed = this.#segmentsWith(events);
    const trees = this.#trees.with([...changed].map(([index, { blob }]) => ({ index, oid: blob.oid })));
    const commit = gitCommit({
      tree: trees.root.oid,
      parent: this.#head,
      epochSeconds: Math.floor(Date.parse(events.at(-1)?.at ?? '') / 1000),
      message: commitMessage(events),
    });
    const objects = [...[...changed.values()].map(({ blob }) => blob), ...trees.changed, commit];
    // Stopping before the branch moves leaves objects that nothing names; git removes them in time.
    await this.#objects.write(objects);
    await this.#moveBranch(commit.oid);
    this.#head = commit.oid;
    this.#trees = trees;
    for (const [index, { blob, bytes }] of changed) this.#segments.set(index, blob.oid, bytes);
    this.#trust(events);
    this.#tidying?.wrote(objects.length);
  }

  /** What was checked on its way out needs no check on its way back. A time that goes back is left for `read` to find. */
  #trust(events: readonly E[]): void {
    for (const { seq, at } of events) {
      if (seq !== this.#checked || at < this.#lastAt) return;
      this.#lastAt = at;
      this.#checked = seq + 1;
    }
  }

  async #moveBranch(to: string): Promise<void> {
    try {
      await moveBranch(this.#repository, BRANCH, this.#head, to);
    } catch (error) {
      if (error instanceof BranchMoved)
        throw new LogDamage(`somebody else wrote to the log: ${error.message}`, { cause: error });
      throw error;
    }
  }

  #segmentsWith(events: readonly E[]): Map<number, { blob: GitObject; bytes: Buffer }> {
    const lines = new Map<number, Buffer[]>();
    for (const [i, event] of events.entries()) {
      const seq = this.length + i;
      if (event.seq !== seq) throw new LogDamage(`event ${event.seq} cannot be appended at ${seq}`);
      const index = Math.floor(seq / EVENTS_PER_SEGMENT);
      const parts = lines.get(index) ?? [this.#segments.segmentBytes(index)];
      parts.push(Buffer.from(`${this.#lines.encode(event)}\n`));
      lines.set(index, parts);
    }
    return new Map(
      [...lines].map(([index, parts]) => {
        const bytes = Buffer.concat(parts);
        return [index, { blob: gitObject('blob', bytes), bytes }];
      }),
    );
  }

  async refresh(): Promise<void> {
    const head = await readBranch(this.#repository, BRANCH);
    if (head === this.#head || head === undefined) {
      if (this.#head !== undefined && head === undefined) throw new LogDamage('the log has lost its branch');
      return;
    }
    // Whoever moved the branch may have stopped right before its sync; what is seen here goes on the site next.
    if (this.#lock) await syncPath(join(this.#repository, 'refs/heads'));
    const listed = await this.#listSegments(head);
    if (listed.length < this.#segments.count) throw new LogDamage('the log has become shorter');
    const stale = listed.flatMap((segment, index) =>
      this.#segments.oidOf(index) === segment.oid ? [] : [{ ...segment, index }],
    );
    const firstFull = stale.find(({ index }) => index < this.#segments.count - 1);
    if (firstFull) throw new LogDamage(`segment ${firstFull.index} has changed after it was full`);
    await this.#load(stale);
    this.#trees = this.#trees.with(stale);
    this.#head = head;
  }

  async #listSegments(head: string): Promise<ListedSegment[]> {
    const withLengths = this.#head === undefined;
    const text = await this.#git
      .raw(['ls-tree', '-r', ...(withLengths ? ['-l'] : []), head])
      .catch((error: unknown) => {
        throw new LogDamage(`git cannot read commit ${head}`, { cause: error });
      });
    return text
      .split('\n')
      .filter(Boolean)
      .map((line, index) => {
        const [facts = '', path] = line.split('\t');
        const [, , oid = '', length] = facts.split(/ +/);
        const { directory, file } = segmentPath(index);
        if (path !== `log/${directory}/${file}`)
          throw new LogDamage(`expected log/${directory}/${file}, found ${path}`);
        // git prints no number for an object that is not there.
        if (withLengths && !/^\d+$/.test(length ?? ''))
          throw new LogDamage(`git cannot read segment ${index} (${oid})`);
        return { oid, length: withLengths ? Number(length) : undefined };
      });
  }

  async #load(wanted: readonly (ListedSegment & { index: number })[]): Promise<void> {
    const missing: (typeof wanted)[number][] = [];
    for (const segment of wanted) {
      const bytes =
        missing.length > 0 || segment.length === undefined
          ? undefined
          : this.#segments.fromCopy(segment.index, segment.oid, segment.length);
      if (bytes) this.#segments.set(segment.index, segment.oid, bytes);
      else missing.push(segment);
    }
    let next = 0;
    await readBlobs(
      this.#repository,
      missing.map(({ oid }) => oid),
      (bytes) => {
        const segment = missing[next];
        next += 1;
        if (segment) this.#segments.set(segment.index, segment.oid, bytes);
      },
    );
  }

  async carriesOn(head: string): Promise<boolean> {
    if (head === this.head || head === '') return true;
    // Not --is-ancestor: it says no by its exit code alone, which simple-git takes for a yes while git prints no error.
    const isAncestor = await this.#git.raw(['merge-base', head, this.head]).then(
      (base) => base.trim() === head,
      () => false,
    );
    if (!isAncestor) return false;
    const counts = await this.#git.raw(['diff', '--numstat', head, this.head, '--', 'log']);
    return counts.split('\n').every((line) => line === '' || /^\d+\t0\t/.test(line));
  }

  async close(): Promise<void> {
    await this.#tidying?.stop();
    this.#segments.close();
    this.#lock?.release();
  }
}

function commitMessage(events: readonly LogLine[]): string {
  const [first, ...others] = events.map(describeEvent);
  if (others.length === 0) return first ?? '';
  return [`${first}, and ${others.length} more`, '', first, ...others].join('\n');
}
