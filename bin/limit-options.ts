/** Limits on requests as settings say them: `ori=1000/100,run=120,npm=off`. */
import type { SaidLimits } from '../api/limits.ts';
import { RegistryError } from '../core/errors.ts';
import { requireNetworks } from '../core/networks.ts';
import { allSurfaces } from '../surfaces/index.ts';

const MOST = 1_000_000_000;

/** @throws RegistryError `bad-request` naming the part that cannot be understood. */
export function parseLimits(text: string | undefined, variable = 'CAIRN_LIMITS'): SaidLimits {
  const parts = (text ?? '').split(',').map((part) => part.trim());
  return Object.fromEntries(parts.filter((part) => part !== '').map((part) => parseLimit(part, variable)));
}

function parseLimit(part: string, variable: string): readonly [string, SaidLimits[string]] {
  const [id = '', wanted = '', ...rest] = part.split('=').map((word) => word.trim());
  const isPlaced = allSurfaces.some((surface) => surface.id === id && !surface.below && !surface.beside);
  if (rest.length > 0 || !isPlaced || wanted === '')
    throw wrong(`${variable} ${part}: use SURFACE=WITH-TOKEN/WITHOUT, SURFACE=NUMBER or SURFACE=off`);
  if (wanted === 'off') return [id, 'off'];
  const numbers = wanted.split('/');
  const [withToken = NaN, anonymous = withToken] = numbers.map((number) =>
    /^\d+$/.test(number) ? Number(number) : NaN,
  );
  for (const number of [withToken, anonymous])
    if (numbers.length > 2 || !(number >= 1 && number <= MOST))
      throw wrong(`${variable} ${part}: requests a minute are whole numbers from 1 to ${MOST}`);
  return [id, { withToken, anonymous }];
}

/** @throws RegistryError `bad-request` */
export function parseProxies(networks: readonly string[] | undefined): readonly string[] {
  if (networks === undefined || networks.length === 0) return [];
  try {
    requireNetworks(networks);
  } catch (error) {
    throw wrong(`CAIRN_TRUSTED_PROXIES: ${(error as Error).message}`);
  }
  return networks;
}

/** @throws RegistryError `bad-request`, without the URL: it may hold a password. */
export function parseRedisUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  // Valkey speaks the same protocol, and its users write its name.
  const url = text.replace(/^valkey(s?):/, 'redis$1:');
  if (!/^rediss?:$/.test(URL.canParse(url) ? new URL(url).protocol : '') || new URL(url).hostname === '')
    throw wrong(
      'CAIRN_LIMITS_REDIS: use a URL such as redis://127.0.0.1:6379 or rediss://user:password@host',
    );
  return url;
}

function wrong(message: string): RegistryError {
  return new RegistryError('bad-request', message);
}
