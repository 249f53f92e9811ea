/** `http-clients.ts URL TOKEN SECONDS CLIENTS RUN`: clients that publish small packages as fast as they are answered. */
import { Agent, request } from 'node:http';
import { packX07 } from '../../test/support/x07-package.ts';

const VERSIONS_PER_PACKAGE = 10;
const WARM_UP_SECONDS = 1;

const [url = '', token = '', seconds, clients, runName = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(clients) });
let next = 0;
let published = 0;

function archive(): Buffer {
  const number = next++;
  const name = `load-${runName}-${Math.floor(number / VERSIONS_PER_PACKAGE).toString(36)}`;
  return packX07({ name, version: `1.0.${number % VERSIONS_PER_PACKAGE}` });
}

function publish(body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${url}/v1/packages/publish`,
      {
        agent,
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-length': body.length },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('error', reject).on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`publish: ${response.statusCode} ${text}`));
        });
      },
    );
    outgoing.on('error', reject).end(body);
  });
}

async function publishFor(span: number): Promise<number> {
  const from = published;
  const end = performance.now() + span * 1000;
  await Promise.all(
    Array.from({ length: Number(clients) }, async () => {
      while (performance.now() < end) {
        await publish(archive());
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
agent.destroy();
console.log(JSON.stringify({ published: count, seconds: took }));
