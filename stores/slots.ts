/** So many at once, so many waiting, and nobody for ever. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #waiting: { readonly enter: () => void }[] = [];
  #taken = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  /** What gives the place back; safe to repeat. Undefined when none came free in time, or too many wait already. */
  async take(): Promise<(() => void) | undefined> {
    if (this.#taken < this.#limits.atOnce) this.#taken += 1;
    else if (!(await this.#wait())) return undefined;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#waiting.shift();
      // The place goes from hand to hand: nobody who comes now can be first.
      if (next) next.enter();
      else this.#taken -= 1;
    };
  }

  #wait(): Promise<boolean> {
    if (this.#waiting.length >= this.#limits.waiting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter = {
        enter: () => {
          clearTimeout(patience);
          resolve(true);
        },
      };
      const patience = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
      }, this.#limits.patienceMs);
      this.#waiting.push(waiter);
    });
  }
}

export interface SlotLimits {
  readonly atOnce: number;
  readonly waiting: number;
  readonly patienceMs: number;
}
