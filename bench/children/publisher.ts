/** `publisher.ts DATA PACKAGES`: a line with a number makes that many publishes; the answer is how long each took, in ms. */
import { openRegistry } from '../../bin/open-registry.ts';
import { operator } from '../../core/permission.ts';
import { publishCommand, randomFrom, sharedBlob } from '../registry-generator.ts';
import { answerLines } from '../processes.ts';

const [dataDirectory = '', packages] = process.argv.slice(2);
const registry = await openRegistry({ dataDirectory });
const { generator, publisher, writer, state } = registry;
await generator.update();
await generator.updateRoots();
publisher.notify();
const random = randomFrom(state.length);
const actor = operator('bench');

/** The rarer half of the packages, which have one version each whatever the size of the registry. */
function anyPackage(): number {
  const half = Number(packages) >> 1;
  return half + Math.floor(random() * half);
}

async function publishOne(): Promise<number> {
  const command = publishCommand(anyPackage(), `99.0.${state.length}`, sharedBlob);
  const started = performance.now();
  const events = await writer.execute({ actor, plan: () => [command] });
  const seen = await publisher.visible((events.at(-1)?.seq ?? 0) + 1);
  if (seen !== 'visible') throw new Error(`the publish is ${seen}`);
  return performance.now() - started;
}

await answerLines(async (line) => {
  const times: number[] = [];
  for (let left = Number(line); left > 0; left -= 1) times.push(await publishOne());
  return times;
});
await registry.close();
