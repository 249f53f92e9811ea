import { randomBytes } from 'node:crypto';

const ID_DIGITS = 32;
const IDS_AT_ONCE = 256;

let digits = '';
let used = 0;

/** 32 lower-case hex digits, never the same twice. Chance comes for many at once: fetching it costs more than an id. */
export function nextRequestId(): string {
  if (used === digits.length) {
    digits = randomBytes((ID_DIGITS / 2) * IDS_AT_ONCE).toString('hex');
    used = 0;
  }
  return digits.slice(used, (used += ID_DIGITS));
}
