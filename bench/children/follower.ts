/**
 * `follower.ts DATA PACKAGES`: a process that follows the log, as `regen --watch` does. Each line makes one publish
 * and brings the site up to it; the answer is how long the documents took, and the roots after them, in seconds.
 */
import { openRegistry, randomIds, readRegistry } from '../../bin/open-registry.ts';
import { operator } from '../../core/permission.ts';
import { Writer } from '../../core/writer.ts';
import { rulesOf } from '../../ecosystems/index.ts';
import { publishCommand, randomFrom, sharedBlob } from '../registry-generator.ts';
import { answerLines } from '../processes.ts';

const [dataDirectory = '', packages] = process.argv.slice(2);
const { log, state, writer: unused, close } = await openRegistry({ dataDirectory });
await unused.close();
// A writer that tells no publisher: the site is the follower's.
const clock = { now: () => Date.now() };
let ids = 0;
const nextId = (): string => `${process.pid.toString(16)}${(ids += 1).toString(16)}`.padStart(32, 'f');
const writer = new Writer({
  log,
  state,
  rulesOf,
  clock,
  ids: { ...randomIds, next: nextId },
  isAccount: () => true,
});
const follower = await readRegistry(dataDirectory);
const { generator } = await follower.generatorFor();
await generator.update();
await generator.updateRoots();
const random = randomFrom(state.length);

await answerLines(async () => {
  const half = Number(packages) >> 1;
  const index = half + Math.floor(random() * half);
  const command = publishCommand(index, `99.0.${state.length}`, sharedBlob);
  await writer.execute({ actor: operator('bench'), plan: () => [command] });
  const started = performance.now();
  await follower.log.refresh();
  follower.state.catchUp();
  await generator.update();
  const documents = performance.now();
  await generator.updateRoots();
  return { documents: (documents - started) / 1000, roots: (performance.now() - documents) / 1000 };
});
await follower.close();
await close();
