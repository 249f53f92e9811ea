/** `endurance-clients.ts URL TOKEN CLIENTS PACKAGES`: each line is a number of publishes; the answer is how long they took. */
import { packX07 } from '../../test/support/x07-package.ts';
import { httpPublisher } from '../http-publisher.ts';
import { answerLines } from '../processes.ts';

const [url = '', token = '', clients, packages] = process.argv.slice(2);
const publisher = httpPublisher(url, token, Number(clients));
let next = 0;

/** Round after round over the same packages: each gets one version more. */
function archive(): Buffer {
  const number = next++;
  const name = `endure-${(number % Number(packages)).toString(36)}`;
  return packX07({ name, version: `1.${Math.floor(number / Number(packages))}.0` });
}

await answerLines(async (line) => {
  let left = Number(line);
  const times: number[] = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: Number(clients) }, async () => {
      while (left > 0) {
        left -= 1;
        const body = archive();
        const sent = performance.now();
        await publisher.publish(body);
        times.push(performance.now() - sent);
      }
    }),
  );
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? NaN;
  return { seconds: (performance.now() - started) / 1000, p50: at(0.5), p99: at(0.99) };
});
publisher.close();
