/** Every request of an upload fails, done or not; and processes are killed while one is under way. */
import assert from 'node:assert/strict';
import { rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import { blobKey, blobOfKey } from '../../stores/blob-keys.ts';
import { inPieces } from '../support/blob-store-contract.ts';
import {
  commit,
  filesIn,
  openBucketWorld,
  removeBlob,
  shelvedIn,
  type BucketWorld,
} from '../support/bucket-blobs.ts';
import type { FaultKind, HeldRequest } from '../support/s3-faults.ts';
import type { S3Request } from '../support/s3-requests.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';

const roomy = { maxBytes: 100_000_000 };
const PREFIX = 'blobs';

/** What is on the shelf is in the bucket, whatever happened. */
async function assertShelved(s3: S3Server, world: BucketWorld): Promise<void> {
  for (const digest of await shelvedIn(world)) {
    const object = s3.objects.get(`${PREFIX}/${blobKey(digest)}`);
    assert.ok(object, `${digest} is on the shelf, and not in the bucket`);
    assert.equal(digestOf(object.bytes), digest);
    assert.equal(world.blobs.sizeOf(digest), object.bytes.length);
  }
}

const kinds = [
  'internal',
  'slow-down',
  'conflict',
  'precondition',
  'no-bucket',
  'silent',
  'reset',
  'truncated',
] as const;

type Bring = (world: BucketWorld, text: string) => Promise<unknown>;

const receive: Bring = ({ uploads }, text) =>
  uploads.receive('acme/app', digestOf(text), inPieces(text), roomy);
const finish: Bring = async ({ uploads }, text) => {
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces(text), roomy);
  await uploads.finish(id, digestOf(text));
};

interface Flow {
  readonly bring: Bring;
  readonly content: string;
  /** It is on the shelf already. */
  readonly isKnown?: boolean;
  readonly faults: readonly FaultKind[];
}

const flows: Readonly<Record<string, Flow>> = {
  'a commit': { bring: commit, content: 'short', faults: kinds },
  'a commit of a blob that is here': { bring: commit, content: 'short', isKnown: true, faults: kinds },
  'a blob in one request': { bring: receive, content: 'short', faults: kinds },
  'an upload': { bring: finish, content: 'short', faults: kinds },
  // Many requests, of many bytes.
  'a long blob': { bring: receive, content: 'x'.repeat(17 * 1024 * 1024), faults: ['reset', 'precondition'] },
};

for (const [name, { bring, content, isKnown = false, faults }] of Object.entries(flows))
  test(`whatever fails of ${name}, the blob is there when that is said, and it can be tried again`, async (t) => {
    const s3 = await openS3Server(t);
    const idleMs = faults.includes('silent') ? 100 : 10_000;
    const world = await openBucketWorld(t, s3.address(PREFIX), { attempts: 2, idleMs });
    let [said, refused] = [0, 0];
    for (const does of faults)
      for (const persisted of [false, true])
        for (let nth = 1, requests = 1; nth <= requests; nth += 1) {
          const text = `${content} ${does} ${persisted} ${nth}`;
          const digest = digestOf(text);
          if (isKnown) await commit(world, text);
          const from = s3.requests.length;
          s3.faults.onRequest = failing(nth, { does, persisted });
          const outcome = await bring(world, text).catch((error: unknown) => error);
          s3.faults.clear();
          requests = s3.requests.length - from;
          if (outcome instanceof Error) {
            refused += 1;
            assert.ok(outcome instanceof RegistryError && outcome.code === 'storage-failed', String(outcome));
            assert.equal(world.blobs.sizeOf(digest), isKnown ? text.length : undefined);
          } else {
            said += 1;
            assert.equal(await world.reader().isIntact(digest), true);
          }
          await assertShelved(s3, world);
          await bring(world, text);
          assert.equal(await world.blobs.isIntact(digest), true);
          await world.uploads.release('acme/app', digest);
          await removeBlob(world, digest);
          s3.objects.clear();
        }
    t.diagnostic(`${said} times done, ${refused} times refused`);
    assert.ok(said > 0 && refused > 0);
  });

/** The nth request and, for ever, its repetitions. */
function failing<T>(nth: number, fault: T): (request: S3Request) => T | undefined {
  let seen = 0;
  let failed: string | undefined;
  return ({ operation, key }) => {
    seen += 1;
    if (seen === nth) failed = `${operation} ${key}`;
    return failed === `${operation} ${key}` ? fault : undefined;
  };
}

const ROUNDS = Number(process.env['CAIRN_BUCKET_ROUNDS'] ?? 8);
const STEPS = 12;

test('uploads, removals, failures, kills and late requests in any order: what is held is there, and what is on the shelf', async (t) => {
  const seed = chooseSeed();
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const random = seededRandom(seed);
  const counts: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) await new Story(t, random, counts).tell();
  t.diagnostic(JSON.stringify(counts));
});

class Story {
  readonly #t: TestContext;
  readonly #random: SeededRandom;
  readonly #counts: Record<string, number>;
  readonly #held = new Set<Digest>();
  readonly #late: HeldRequest[] = [];
  #world: BucketWorld | undefined;
  #mayRepeat = false;

  constructor(t: TestContext, random: SeededRandom, counts: Record<string, number>) {
    this.#t = t;
    this.#random = random;
    this.#counts = counts;
  }

  async tell(): Promise<void> {
    const s3 = await openS3Server(this.#t);
    let world = await openBucketWorld(this.#t, s3.address(PREFIX), { attempts: 2, idleMs: 100 });
    this.#world = world;
    for (let step = 0; step < STEPS; step += 1) {
      this.#arrange(s3);
      const work = Array.from({ length: 1 + this.#random.below(3) }, (_, lane) => this.#act(world, lane));
      const isKilled = this.#random.chance(0.2);
      if (isKilled) {
        await Promise.race([Promise.all(work), pause(this.#random.below(40))]);
        s3.faults.clear();
        // Whoever is answered from here on is not there any more.
        this.#world = undefined;
        world = this.#world = await world.kill();
        this.#mayRepeat = true;
        this.#count('kills');
      } else await Promise.all(work);
      s3.faults.clear();
      await this.#check(s3, world);
      if (this.#random.chance(0.3)) await this.#passTime(world);
      await this.#check(s3, world);
    }
  }

  /** What goes wrong in this step. */
  #arrange({ faults }: S3Server): void {
    if (this.#random.chance(0.4))
      faults.failOnce(1 + this.#random.below(6), {
        does:
          this.#random.pick(['internal', 'slow-down', 'reset', 'silent', 'truncated'] as const) ?? 'reset',
        persisted: this.#random.chance(0.5),
      });
    // For as long as this step goes on.
    if (this.#random.chance(0.15))
      faults.failAlways(() => this.#random.chance(0.5), {
        does: 'internal',
        persisted: this.#random.chance(0.5),
      });
    if (this.#random.chance(0.4))
      void faults.holdOnce(1 + this.#random.below(6)).then((held) => this.#late.push(held));
  }

  async #act(world: BucketWorld, lane: number): Promise<void> {
    // Of one content, one does something at a time: else nobody can say what should be held.
    const text = `content ${lane} ${this.#random.below(2)}`;
    const digest = digestOf(text);
    const what =
      this.#random.pick(['receive', 'receive', 'commit', 'release', 'collect'] as const) ?? 'collect';
    try {
      if (what === 'receive') {
        await world.uploads.receive('acme/app', digest, inPieces(text), roomy);
        // Nobody has heard the answer of a process that was killed before.
        if (world === this.#world) this.#held.add(digest);
      } else if (what === 'commit') await commit(world, text);
      else if (what === 'release') {
        this.#held.delete(digest);
        await world.uploads.release('acme/app', digest);
      } else await this.#collect(world);
      this.#count(what);
    } catch (error) {
      if (!(error instanceof RegistryError && error.code === 'storage-failed')) throw error;
      this.#count(`${what} refused`);
    }
  }

  async #collect(world: BucketWorld): Promise<void> {
    await world.blobs.stock.update();
    const remover = await world.blobs.openRemover();
    try {
      for (const digest of await shelvedIn(world))
        if (!world.uploads.held('acme/app', digest) && remover.takeOut(digest) !== undefined)
          this.#count('removed');
      await remover.free();
    } finally {
      await remover.finish();
    }
  }

  /** What was held up is done at last, or never; and after that nothing of the kind is to be feared. */
  async #passTime(world: BucketWorld): Promise<void> {
    // A request that was under way at a kill may be repeated once.
    if (this.#mayRepeat) await pause(400);
    this.#mayRepeat = false;
    for (const held of this.#late.splice(0)) if (this.#random.chance(0.7)) await held.finish();
    this.#count('times passed');
    const leaving = join(world.ledger, 'leaving');
    for (const name of await filesIn(leaving)) await utimes(join(leaving, name), 1000, 1000);
  }

  async #check(s3: S3Server, world: BucketWorld): Promise<void> {
    await assertShelved(s3, world);
    for (const digest of this.#held) {
      assert.ok(world.uploads.held('acme/app', digest), `${digest} was said to be held`);
      assert.equal(await world.blobs.isIntact(digest), true, digest);
    }
    for (const key of s3.objects.keys()) assert.ok(blobOfKey(key.slice(PREFIX.length + 1)), key);
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((next) => setTimeout(next, ms));
}

test('a shelf in the making that is killed is made again', async (t) => {
  const s3 = await openS3Server(t);
  const world = await openBucketWorld(t, s3.address(PREFIX));
  const digests = await Promise.all(['a', 'b', 'c'].map((text) => commit(world, text)));
  await rm(world.ledger, { recursive: true });
  s3.pageSize = 1;
  let lists = 0;
  const held = s3.faults.holdOnce(({ operation }) => operation === 'ListObjectsV2' && (lists += 1) === 2);
  void world.again().catch(() => undefined);
  await held;
  const next = await world.again();
  assert.deepEqual(await shelvedIn(next), digests.sort());
});
