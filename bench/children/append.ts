/** `append.ts DATA SECONDS IN_FLIGHT PACKAGES`: durable events through the writer, as many at once as are in flight. */
import { layout } from '../../bin/layout.ts';
import { randomIds, systemClock } from '../../bin/open-registry.ts';
import { registryLines } from '../../core/event.ts';
import { operator } from '../../core/permission.ts';
import { RegistryState } from '../../core/state.ts';
import { Writer } from '../../core/writer.ts';
import { rulesOf } from '../../ecosystems/index.ts';
import { openLogWriter } from '../../stores/git-log.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { publishCommand, sharedBlob } from '../registry-generator.ts';

const WARM_UP_SECONDS = 1;

const [data = '', seconds, inFlight, packages] = process.argv.slice(2);
const log = new SealedLog(await openLogWriter({ repository: layout(data).log, lines: registryLines }));
const state = new RegistryState(log, rulesOf);
const writer = new Writer({ log, state, rulesOf, clock: systemClock, ids: randomIds, isAccount: () => true });
const actor = operator('bench');
const before = state.length;
let asked = 0;

async function writeUntil(end: number): Promise<void> {
  while (performance.now() < end) {
    const number = asked++;
    // A version above all that are there: earlier rounds wrote to this log as well.
    const version = `99.${before}.${number}`;
    const command = publishCommand(number % Number(packages), version, sharedBlob);
    await writer.execute({ actor, plan: () => [command] });
  }
}

async function eventsIn(span: number): Promise<number> {
  const from = state.length;
  const end = performance.now() + span * 1000;
  await Promise.all(Array.from({ length: Number(inFlight) }, () => writeUntil(end)));
  return state.length - from;
}

await eventsIn(WARM_UP_SECONDS);
const started = performance.now();
const events = await eventsIn(Number(seconds));
const took = (performance.now() - started) / 1000;
await writer.close();
await log.close();
console.log(JSON.stringify({ events, seconds: took }));
