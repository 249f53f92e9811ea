/** How many requests a client may send in a minute, and what it is told about that. */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { RegistryError } from './errors.ts';
import type { Actor } from './permission.ts';
import type { TakenRequest } from './ports.ts';

/** Requests in a minute, of one token or one address. */
export interface RateLimits {
  readonly withToken: number;
  readonly anonymous: number;
}

/** A window begins with the first request of a client, and counts all until it ends: what is left is exact. */
export const WINDOW_SECONDS = 60;

export interface RequestQuota {
  readonly policy: 'token' | 'anonymous';
  readonly limit: number;
  /** Whose requests are counted together. Of a bounded length, and no secret. */
  readonly key: string;
}

/** By the credential, where it is a good one; a bad one is nobody's, and counts against the address that sends it. */
export function quotaOf(
  { withToken, anonymous }: RateLimits,
  actor: Actor | undefined,
  address: string | undefined,
): RequestQuota {
  if (actor) return { policy: 'token', limit: withToken, key: `token:${credentialOf(actor)}` };
  return { policy: 'anonymous', limit: anonymous, key: `address:${networkOf(address ?? 'unknown')}` };
}

/** What has no id counts by its handle: passwords of an account, tokens of the environment for a place. */
function credentialOf({ tokenId, handle }: Actor): string {
  // A namespace in a handle may be longer than a key should be.
  return tokenId ?? createHash('sha256').update(handle).digest('hex').slice(0, 32);
}

/**
 * Who has one address of IPv6 has 2^64 of them: the network is what a client is known by (RFC 6177, section 2).
 */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  // An address whose end is written as one of IPv4 has two groups there.
  const given = first.length + last.length + (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - given) }, () => '0');
  const groups = [...first, ...zeros, ...last].slice(0, 4).map((group) => parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}

/**
 * What an answer says about the client's limit, whatever it is: the field of the older kind, whose reset is a time, and
 * those of the IETF's draft (`draft-ietf-httpapi-ratelimit-headers`), whose `t` is seconds.
 */
export function limitHeaders(
  { policy, limit }: RequestQuota,
  { remaining, endsInMs }: TakenRequest,
  nowMs: number,
): Readonly<Record<string, string>> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.ceil((nowMs + endsInMs) / 1000)),
    'ratelimit-policy': `"${policy}";q=${limit};w=${WINDOW_SECONDS}`,
    ratelimit: `"${policy}";r=${remaining};t=${secondsLeft(endsInMs)}`,
  };
}

export function overLimit({ policy, limit }: RequestQuota, { endsInMs }: TakenRequest): RegistryError {
  const retryAfterSeconds = secondsLeft(endsInMs);
  const wayOut = policy === 'anonymous' ? '; a token allows more' : '';
  return new RegistryError(
    'rate-limited',
    `too many requests: ${limit} a minute are allowed here; try again in ${retryAfterSeconds} seconds${wayOut}`,
    { retryAfterSeconds },
  );
}

/** Up, so that nobody comes back too early. */
function secondsLeft(endsInMs: number): number {
  return Math.max(1, Math.ceil(endsInMs / 1000));
}
