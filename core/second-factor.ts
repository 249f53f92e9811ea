/** Codes that a device makes of a shared secret and the time (RFC 6238), and recovery codes for when it is lost. */
import { createHash } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** What needs a code: logging in and changing the account; or writes as well. */
export type SecondFactorMode = 'auth-only' | 'auth-and-writes';

export interface SecondFactor {
  readonly mode: SecondFactorMode;
  /** Base32. */
  readonly secret: string;
  /** SHA-256 of the recovery codes that are left, hex. */
  readonly recovery: ReadonlySet<string>;
}

/** What every device understands, whatever else it does. */
const kind = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
const STEP_MS = kind.period * 1000;
/** Clocks differ, and people type slowly: a code is good one step early and one step late. */
const WINDOW_STEPS = 1;
/** As long as the hash (RFC 4226, section 4, R6). */
const SECRET_BYTES = 20;
/** 80 random bits: nothing to guess, so a plain hash keeps them. */
const RECOVERY_DIGITS = 20;

export function secretFrom(chance: string): string {
  const bytes = createHash('sha256').update(chance).digest().subarray(0, SECRET_BYTES);
  return new Secret({ buffer: new Uint8Array(bytes).buffer }).base32;
}

/** What a device scans. */
export function deviceUri(
  secret: string,
  label: { readonly issuer: string; readonly handle: string },
): string {
  return new TOTP({ ...kind, issuer: label.issuer, label: label.handle, secret }).toString();
}

/** The time step that a code is made of; undefined when it is good for none of those around now. */
export function stepOf(secret: string, code: string, nowMs: number): number | undefined {
  const token = code.replaceAll(' ', '');
  if (!/^\d{6}$/.test(token)) return undefined;
  const away = TOTP.validate({
    ...kind,
    token,
    secret: Secret.fromBase32(secret),
    timestamp: nowMs,
    window: WINDOW_STEPS,
  });
  return away === null ? undefined : Math.floor(nowMs / STEP_MS) + away;
}

/** `xxxxx-xxxxx-xxxxx-xxxxx` */
export function recoveryCodeFrom(chance: string): string {
  const digits = createHash('sha256').update(chance).digest('hex').slice(0, RECOVERY_DIGITS);
  return digits.match(/.{5}/g)?.join('-') ?? digits;
}

/** However it was typed. */
export function recoveryDigest(code: string): string {
  return createHash('sha256').update(code.toLowerCase().replaceAll(/[\s-]/g, '')).digest('hex');
}
