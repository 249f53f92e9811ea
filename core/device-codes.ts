/** What has to be remembered of second factors, in memory: those in the making, and which codes were used. */
import { RegistryError } from './errors.ts';
import { deviceUri, stepOf, type SecondFactorMode } from './second-factor.ts';

interface Started {
  readonly mode: SecondFactorMode;
  readonly secret: string;
  readonly untilMs: number;
}

/** For a person to find the device, and to type. */
const CONFIRM_WITHIN_MS = 15 * 60_000;
/** The oldest is forgotten for another one. */
const MOST_STARTED = 1_000;

export class DeviceCodes {
  readonly #started = new Map<string, Started>();
  /** The last time step that a code was accepted for, by handle. A restart forgets it: a minute and a half, at most. */
  readonly #lastSteps = new Map<string, number>();

  /** Replaces one that was started before. */
  start({ handle, mode, secret, issuer, nowMs }: Start): { secret: string; uri: string } {
    this.#started.delete(handle);
    this.#started.set(handle, { mode, secret, untilMs: nowMs + CONFIRM_WITHIN_MS });
    const [oldest] = this.#started.keys();
    if (this.#started.size > MOST_STARTED && oldest !== undefined) this.#started.delete(oldest);
    return { secret, uri: deviceUri(secret, { issuer, handle }) };
  }

  /** Ends what was started. @throws RegistryError `not-found`, or `second-factor-required` for a wrong code. */
  confirm(handle: string, code: string, nowMs: number): Pick<Started, 'mode' | 'secret'> {
    const started = this.#started.get(handle);
    if (!started || started.untilMs <= nowMs)
      throw new RegistryError(
        'not-found',
        `${handle} has started no second factor, or too long ago; start again`,
      );
    const { mode, secret } = started;
    // Steps of an earlier secret say nothing about this one.
    this.#lastSteps.delete(handle);
    if (!this.use({ handle, secret, code, nowMs }))
      throw new RegistryError('second-factor-required', 'this is not the code that the device shows now');
    this.#started.delete(handle);
    return { mode, secret };
  }

  /** Whether the code is good; then it is not again, and none from before it either. */
  use({ handle, secret, code, nowMs }: Use): boolean {
    const step = stepOf(secret, code, nowMs);
    if (step === undefined || step <= (this.#lastSteps.get(handle) ?? -1)) return false;
    this.#lastSteps.set(handle, step);
    return true;
  }
}

interface Start {
  readonly handle: string;
  readonly mode: SecondFactorMode;
  readonly secret: string;
  readonly issuer: string;
  readonly nowMs: number;
}

interface Use {
  readonly handle: string;
  readonly secret: string;
  readonly code: string;
  readonly nowMs: number;
}
