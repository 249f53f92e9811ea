/** After so many failures in a row nobody tries again for a while; then one does, and decides for all. */
export class CircuitBreaker {
  readonly #maxFailures: number;
  readonly #pauseMs: number;
  #failures = 0;
  #closedUntil = 0;

  constructor({ maxFailures, pauseMs }: { readonly maxFailures: number; readonly pauseMs: number }) {
    this.#maxFailures = maxFailures;
    this.#pauseMs = pauseMs;
  }

  /** Whether to try. Where this is the one try after a pause, the others go on waiting for what comes of it. */
  mayTry(now: number): boolean {
    if (this.#failures < this.#maxFailures) return true;
    if (now < this.#closedUntil) return false;
    this.#closedUntil = now + this.#pauseMs;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(now: number): void {
    this.#failures += 1;
    if (this.#failures >= this.#maxFailures) this.#closedUntil = now + this.#pauseMs;
  }
}
