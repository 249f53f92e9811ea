/**
 * `bucket-follower.ts DATA PACKAGES PLACE`: a process that keeps a site in a bucket what the log says. Each line is a number of
 * publishes, made at once; the answer is how long the documents took, and the roots after them, in seconds. `DATA`'s own site,
 * a directory, is then brought up to the same.
 */
import { openRegistry, randomIds, readRegistry, systemClock } from '../../bin/open-registry.ts';
import { operator } from '../../core/permission.ts';
import { Writer } from '../../core/writer.ts';
import { rulesOf } from '../../ecosystems/index.ts';
import { publishCommand, randomFrom, sharedBlob } from '../registry-generator.ts';
import { answerLines } from '../processes.ts';

const [dataDirectory = '', packages, place] = process.argv.slice(2);
const { log, state, writer: unused, close } = await openRegistry({ dataDirectory });
await unused.close();
// A writer that tells no publisher: the sites are the follower's.
const writer = new Writer({ log, state, rulesOf, clock: systemClock, ids: randomIds, isAccount: () => true });
const follower = await readRegistry(dataDirectory);
const { generator } = await follower.generatorFor(place);
const { generator: ofDirectory } = await follower.generatorFor();
for (const each of [generator, ofDirectory]) {
  await each.update();
  await each.updateRoots();
}
const random = randomFrom(state.length);

/** The rarer half of the packages, which have one version each: each package once. */
function somePackages(count: number): number[] {
  const half = Number(packages) >> 1;
  const found = new Set<number>();
  while (found.size < count) found.add(half + Math.floor(random() * half));
  return [...found];
}

await answerLines(async (line) => {
  const version = `99.0.${state.length}`;
  const commands = somePackages(Number(line)).map((index) => publishCommand(index, version, sharedBlob));
  await writer.execute({ actor: operator('bench'), plan: () => commands });
  await follower.log.refresh();
  follower.state.catchUp();
  const started = performance.now();
  await generator.update();
  const documents = performance.now();
  await generator.updateRoots();
  const roots = performance.now();
  await ofDirectory.update();
  await ofDirectory.updateRoots();
  return { documents: (documents - started) / 1000, roots: (roots - documents) / 1000 };
});
await follower.close();
await close();
