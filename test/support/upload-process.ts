/**
 * A process that uploads and says what it was told: for tests that kill it, or watch what it does to the disk. Each line
 * is written when what it says was acknowledged; those that end in `-ing` when it is asked for.
 */
import { writeSync } from 'node:fs';
import { digestOf } from '../../core/digest.ts';
import { randomIds } from '../../bin/open-registry.ts';
import type { BucketAddress } from '../../stores/bucket.ts';
import { seededRandom } from './seeded-random.ts';
import { sentText } from './upload-ledger.ts';
import { openUploadStores } from './upload-stores.ts';

const [, , directory = '', seed = '0', rounds = 'Infinity', address] = process.argv;
const random = seededRandom(Number(seed));
const { uploads } = await openUploadStores(
  directory,
  address === undefined ? undefined : (JSON.parse(address) as BucketAddress),
);
const limits = { maxBytes: 10_000_000 };

/** At once: a line that waits for the event loop would be lost with the process. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function* inPieces(text: string): AsyncIterable<Uint8Array> {
  for (let at = 0; at < text.length; at += 65_536) yield Buffer.from(text.slice(at, at + 65_536));
}

async function uploadOne(place: string): Promise<void> {
  const { id } = await uploads.start(place, 'ann');
  say('started', id);
  let size = 0;
  for (let requests = 1 + random.below(3); requests > 0; requests -= 1) {
    const length = random.below(400_000);
    const more = sentText(id, size, length);
    await uploads.append(id, inPieces(more), { at: size, length, ...limits });
    size += length;
    say('appended', id, size);
  }
  const fate = random.below(4);
  if (fate === 0) return;
  say('ending', id);
  if (fate === 1) {
    await uploads.cancel(id);
    return say('gone', id);
  }
  const digest = digestOf(sentText(id, 0, size), fate === 2 ? 'sha256' : 'sha512');
  await uploads.finish(id, digest);
  say('gone', id);
  say('held', place, digest);
}

async function receiveOne(place: string): Promise<void> {
  const text = sentText(randomIds.next(), 0, random.below(400_000));
  const digest = digestOf(text);
  await uploads.receive(place, digest, inPieces(text), { length: text.length, ...limits });
  say('held', place, digest);
  if (random.below(2) === 0) {
    await uploads.hold(`${place}/other`, digest);
    say('held', `${place}/other`, digest);
  }
  if (random.below(2) === 0) return;
  say('releasing', place, digest);
  await uploads.release(place, digest);
  say('released', place, digest);
}

for (let round = 0; round < Number(rounds); round += 1) {
  const place = `acme/app-${random.below(5)}`;
  await (random.below(2) === 0 ? uploadOne(place) : receiveOne(place));
}
