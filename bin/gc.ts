/** `cairn gc`: removes blobs that nobody needs, through the running server or by itself; or tells what it would do. */
import type { Control } from '../api/control.ts';
import { DigestSet } from '../core/digest-set.ts';
import {
  endOfPushes,
  isDue,
  Sum,
  type Amount,
  type GarbageReport,
  type GarbageWish,
} from '../core/garbage.ts';
import type { Pending } from '../core/ports.ts';
import { UploadDirectory } from '../stores/upload-directory.ts';
import type { UnneededBlob } from '../stores/unneeded-blobs.ts';
import { requireRegistry, withControl } from './control.ts';
import { bytesInWords, durationInWords, parseDuration } from './duration.ts';
import { requireWhole } from './garbage.ts';
import { layout } from './layout.ts';
import { findUnneeded, noteHeld, noteNamed } from './needed-blobs.ts';
import { randomIds, readRegistry, systemClock, type ReadOnlyRegistry } from './open-registry.ts';

export interface GcFlags {
  readonly dryRun?: boolean;
  readonly grace: string;
  readonly json?: boolean;
}

export async function gc(dataDirectory: string, flags: GcFlags): Promise<void> {
  const wish: GarbageWish = { graceMs: parseDuration('--grace', flags.grace) };
  if (flags.dryRun) return dryRun(dataDirectory, wish, flags);
  const report = await withControl(dataDirectory, (control) =>
    showingProgress(control, () => control.collectGarbage(wish)),
  );
  if (flags.json) console.log(JSON.stringify(report));
  else for (const line of sentencesOf(report, flags.grace)) console.log(line);
}

function* sentencesOf(report: GarbageReport, grace: string): Iterable<string> {
  const { removed, waiting, expired, needed, strangers } = report;
  yield `removed ${amount(removed)}; ${needed} needed`;
  if (waiting.blobs > 0) yield `waiting until nobody has needed them for ${grace}: ${amount(waiting)}`;
  if (expired > 0)
    yield `ended, since nobody came back to them: ${counted(expired, 'upload')} and held blobs`;
  if (strangers > 0)
    yield `left alone, since they are no blobs: ${counted(strangers, 'file')}; cairn gc --dry-run lists them`;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
const amount = ({ blobs, bytes }: Amount): string => `${counted(blobs, 'blob')} (${bytesInWords(bytes)})`;

const PROGRESS_MS = 500;

/** On a terminal, a line that is written over. */
async function showingProgress<T>(control: Control, work: () => Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY) return work();
  const show = async (): Promise<void> => {
    const progress = await control.garbageProgress();
    if (!progress) return;
    const { doing, done, of } = progress;
    stderr.write(`\r\u001b[K${doing}: ${done}${of === undefined ? '' : ` of ${of}`}`);
  };
  const timer = setInterval(() => void show().catch(() => undefined), PROGRESS_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    stderr.write('\r\u001b[K');
  }
}

/** Reads, and changes nothing; beside whoever writes. */
async function dryRun(dataDirectory: string, wish: GarbageWish, flags: GcFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  const print = flags.json
    ? ({ text: _, ...line }: Line) => console.log(JSON.stringify(line))
    : ({ what, text }: Line) => console.log(`${what.padEnd(6)}  ${text}`);
  try {
    const report = await preview(dataDirectory, registry, wish, print);
    if (flags.json) return console.log(JSON.stringify({ what: 'total', ...report }));
    const { removed, waiting, expired, needed } = report;
    console.log(
      `${amount(removed)} would go, ${amount(waiting)} would wait, ${counted(expired, 'upload')} would end; ${needed} needed`,
    );
  } finally {
    await registry.close();
  }
}

async function preview(
  dataDirectory: string,
  { state, blobs }: ReadOnlyRegistry,
  wish: GarbageWish,
  print: (line: Line) => void,
): Promise<GarbageReport> {
  requireWhole(state);
  const { uploads: root, unneeded: notes } = layout(dataDirectory);
  const now = systemClock.now();
  const beforeMs = endOfPushes(now, wish);
  const uploads = new UploadDirectory({ root, blobs, clock: systemClock, ids: randomIds });
  const ended = await uploads.expire({ beforeMs, dryRun: true });
  for (const pending of ended) print(lineOfPending(pending));
  const needed = new DigestSet();
  const turn = async (): Promise<void> => undefined;
  await noteHeld(needed, uploads, beforeMs);
  await noteNamed(needed, state.length, { state, blobs, turn });
  const [removed, waiting] = [new Sum(), new Sum()];
  let strangers = 0;
  const stranger = (path: string): void => {
    strangers += 1;
    print({ what: 'leave', path, text: `${path}: it is no blob` });
  };
  for await (const found of findUnneeded({ blobs, needed, notes, now, turn })) {
    if (found.kind === 'stranger') stranger(found.path);
    else {
      (isDue(found, now, wish) ? removed : waiting).add(found.size);
      print(lineOfBlob(found, now, wish));
    }
  }
  for await (const found of blobs.stock?.differences() ?? []) {
    if (found.kind === 'stranger') stranger(found.path);
    if (found.kind !== 'unshelved' || needed.has(found.digest)) continue;
    // A run that is none of these learns of it first, and finds that nobody needs it.
    const unknown = { ...found, since: now };
    (isDue(unknown, now, wish) ? removed : waiting).add(found.size);
    print(lineOfBlob(unknown, now, wish));
  }
  return {
    removed: removed.amount,
    waiting: waiting.amount,
    expired: ended.length,
    needed: needed.size,
    strangers,
  };
}

interface Line {
  readonly what: 'remove' | 'wait' | 'end' | 'leave';
  readonly text: string;
  readonly [field: string]: string | number;
}

function lineOfBlob(
  { digest, size, since }: Pick<UnneededBlob, 'digest' | 'size' | 'since'>,
  now: number,
  wish: GarbageWish,
): Line {
  const facts = { digest, size, since: timeOf(since) };
  const blob = `${digest} (${bytesInWords(size)}): no version, name or upload needs it`;
  const age = since === now ? 'from now on' : `since ${facts.since} (${durationInWords(now - since)})`;
  if (isDue({ since }, now, wish)) return { what: 'remove', ...facts, text: `${blob}, ${age}` };
  const until = timeOf(since + wish.graceMs);
  return { what: 'wait', ...facts, until, text: `${blob}, ${age}; it stays until ${until}` };
}

function lineOfPending(pending: Pending): Line {
  const { place, size, at, ...rest } = pending;
  const since = timeOf(at);
  const of = `${place} (${bytesInWords(size)})`;
  if (rest.kind === 'upload')
    return {
      what: 'end',
      upload: rest.id,
      place,
      size,
      since,
      text: `the upload ${rest.id} to ${of}: nothing has come since ${since}`,
    };
  const { digest } = rest;
  return {
    what: 'end',
    held: digest,
    place,
    size,
    since,
    text: `${digest}, held for ${of}: no manifest has named it since ${since}`,
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
