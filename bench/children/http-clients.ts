/** `http-clients.ts URL TOKEN SECONDS CLIENTS RUN`: clients that publish small packages as fast as they are answered. */
import { packX07 } from '../../test/support/x07-package.ts';
import { httpPublisher } from '../http-publisher.ts';

const VERSIONS_PER_PACKAGE = 10;
const WARM_UP_SECONDS = 1;

const [url = '', token = '', seconds, clients, runName = ''] = process.argv.slice(2);
const publisher = httpPublisher(url, token, Number(clients));
let next = 0;
let published = 0;

function archive(): Buffer {
  const number = next++;
  const name = `load-${runName}-${Math.floor(number / VERSIONS_PER_PACKAGE).toString(36)}`;
  return packX07({ name, version: `1.0.${number % VERSIONS_PER_PACKAGE}` });
}

async function publishFor(span: number): Promise<number> {
  const from = published;
  const end = performance.now() + span * 1000;
  await Promise.all(
    Array.from({ length: Number(clients) }, async () => {
      while (performance.now() < end) {
        await publisher.publish(archive());
        published += 1;
      }
    }),
  );
  return published - from;
}

await publishFor(WARM_UP_SECONDS);
const started = performance.now();
const count = await publishFor(Number(seconds));
const took = (performance.now() - started) / 1000;
publisher.close();
console.log(JSON.stringify({ published: count, seconds: took }));
