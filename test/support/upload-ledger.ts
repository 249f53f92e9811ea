/** What a process that uploads was told, and whether it is still true. */
import assert from 'node:assert/strict';
import { asDigest, digestOf } from '../../core/digest.ts';
import type { UploadDirectory } from '../../stores/upload-directory.ts';
import type { ShelvedBlobs } from '../../stores/blob-shelf.ts';

/** The bytes of an upload from `at` on: they follow from its id. */
export function sentText(id: string, at: number, length: number): string {
  const from = at % id.length;
  return id.repeat(Math.ceil((from + length) / id.length)).slice(from, from + length);
}

export class UploadLedger {
  /** Of those that go on: how many bytes were acknowledged. */
  readonly #sizes = new Map<string, number>();
  /** Uploads that were asked to end, and nobody said whether they did. */
  readonly #unsure = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #held = new Map<string, 'held' | 'unsure' | 'released'>();

  /** A line of `upload-process.ts`. */
  add(line: string): void {
    const [said = '', first = '', second = ''] = line.split(' ');
    const mark = `${first} ${second}`;
    switch (said) {
      case 'started':
        return void this.#sizes.set(first, 0);
      case 'appended':
        return void this.#sizes.set(first, Number(second));
      case 'ending':
        this.#sizes.delete(first);
        return void this.#unsure.add(first);
      case 'gone':
        this.#unsure.delete(first);
        return void this.#gone.add(first);
      case 'held':
        return void this.#held.set(mark, 'held');
      case 'releasing':
        return void this.#held.set(mark, 'unsure');
      case 'released':
        return void this.#held.set(mark, 'released');
      default:
        assert.fail(`what is ${line}?`);
    }
  }

  get facts(): number {
    return this.#sizes.size + this.#gone.size + this.#held.size;
  }

  /** Looks at everything, and finishes what goes on. */
  async check(uploads: UploadDirectory, blobs: ShelvedBlobs): Promise<void> {
    for (const [mark, state] of this.#held) {
      const [place = '', name = ''] = mark.split(' ');
      const digest = asDigest(name);
      const isHeld = uploads.held(place, digest) !== undefined;
      if (state !== 'unsure') assert.equal(isHeld, state === 'held', `${mark} was ${state}`);
      if (isHeld) assert.equal(await blobs.isIntact(digest), true, mark);
    }
    for (const id of this.#gone) assert.equal(uploads.find(id), undefined, id);
    for (const [id, size] of this.#sizes) {
      const found = uploads.find(id)?.size ?? -1;
      assert.ok(found >= size, `${id} has ${found} of ${size} bytes`);
      await this.#goOn(id, uploads);
    }
    for (const id of this.#unsure) if (uploads.find(id)) await this.#goOn(id, uploads);
    this.#unsure.clear();
  }

  /** What is there is what was sent, also beyond what was acknowledged: the digest tells. */
  async #goOn(id: string, uploads: UploadDirectory): Promise<void> {
    const { size, place } = uploads.find(id) ?? assert.fail(id);
    const more = sentText(id, size, 1000);
    await uploads.append(id, once(more), { at: size, maxBytes: 100_000_000 });
    const digest = digestOf(sentText(id, 0, size + 1000));
    await uploads.finish(id, digest);
    this.#sizes.delete(id);
    this.#gone.add(id);
    this.#held.set(`${place} ${digest}`, 'held');
  }
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
