import type { Digest } from './digest.ts';

const FIRST_SLOTS = 1 << 12;

/**
 * Very many digests in little memory: 64 bits of each in a table that is never more than half full. Two million take 32 MiB, and
 * 280 as texts in a `Set`. Digests that agree in these bits count as one: among two million that happens by chance once in ten
 * million times, and it can be made to happen. So this may say what is needed, where it only keeps a blob that could go,
 * and never what is here.
 */
export class DigestSet {
  /** Two numbers a slot; both are zero where nothing is. */
  #slots = new Uint32Array(2 * FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(digest: Digest): boolean {
    const [high, low] = bitsOf(digest);
    return this.#slots[this.#find(high, low)] !== 0;
  }

  /** Says whether it is new. */
  add(digest: Digest): boolean {
    const [high, low] = bitsOf(digest);
    if (!this.#put(high, low)) return false;
    this.#size += 1;
    if (4 * this.#size > this.#slots.length) this.#grow();
    return true;
  }

  #put(high: number, low: number): boolean {
    const at = this.#find(high, low);
    if (this.#slots[at] !== 0) return false;
    this.#slots[at] = high;
    this.#slots[at + 1] = low;
    return true;
  }

  /** Where it stands, or where there is room for it. */
  #find(high: number, low: number): number {
    const slots = this.#slots;
    const last = slots.length - 2;
    for (let at = (2 * low) & last; ; at = (at + 2) & last)
      if (slots[at] === 0 || (slots[at] === high && slots[at + 1] === low)) return at;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]];
      if (high !== 0) this.#put(high, low);
    }
  }
}

function bitsOf(digest: Digest): readonly [high: number, low: number] {
  const hex = digest.indexOf(':') + 1;
  const high = Number.parseInt(digest.slice(hex, hex + 8), 16);
  // Zero stands for nothing.
  return [high || 1, Number.parseInt(digest.slice(hex + 8, hex + 16), 16)];
}
