/**
 * `append-single.ts DATA COUNT`: commits of one event each, one after the other. The time runs until the log is
 * closed, so that repacking in the background is part of the cost.
 */
import { layout } from '../../bin/layout.ts';
import { randomIds, systemClock } from '../../bin/open-registry.ts';
import { EVENT_FORMAT, registryLines, type RegistryEvent } from '../../core/event.ts';
import { timeOfAppend } from '../../core/writer.ts';
import { openLogWriter } from '../../stores/git-log.ts';
import { publishCommand, sharedBlob } from '../registry-generator.ts';

const [data = '', count] = process.argv.slice(2);
const log = await openLogWriter({ repository: layout(data).log, lines: registryLines });

function nextEvent(): RegistryEvent {
  const seq = log.length;
  const draft = publishCommand(seq % 10_000, `99.0.${seq}`, sharedBlob);
  const kind = 'published';
  return {
    ...draft,
    v: EVENT_FORMAT,
    seq,
    id: randomIds.next(),
    at: timeOfAppend(systemClock, log),
    by: 'bench',
    kind,
  } as RegistryEvent;
}

const started = performance.now();
for (let done = 0; done < Number(count); done += 1) await log.append([nextEvent()]);
const appended = performance.now();
await log.close();
const closed = performance.now();
console.log(
  JSON.stringify({ appendSeconds: (appended - started) / 1000, totalSeconds: (closed - started) / 1000 }),
);
