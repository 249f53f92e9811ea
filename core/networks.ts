/** Networks that a token is good from: CIDR notation (RFC 4632, RFC 4291). */
import { BlockList, isIP } from 'node:net';
import { RegistryError } from './errors.ts';

const MOST_NETWORKS = 64;

/** @throws RegistryError `bad-request` naming the first that is none. */
export function requireNetworks(networks: readonly string[]): void {
  if (networks.length === 0 || networks.length > MOST_NETWORKS)
    throw new RegistryError('bad-request', `name 1 to ${MOST_NETWORKS} networks, or leave them out`);
  const wrong = networks.find((text) => parse(text) === undefined);
  if (wrong !== undefined)
    throw new RegistryError(
      'bad-request',
      `${JSON.stringify(wrong)} is no network: use CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32`,
    );
}

/** An address that is not known is in no network. */
export function isWithin(address: string | undefined, networks: readonly string[]): boolean {
  return within(networks)(address);
}

/** As `isWithin`, for networks that many addresses are held against. */
export function within(networks: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList();
  for (const network of networks.map(parse))
    if (network) list.addSubnet(network.base, network.bits, network.family);
  return (address) => {
    const plain = address === undefined ? '' : plainAddress(address);
    const family = familyOf(plain);
    return family !== undefined && list.check(plain, family);
  };
}

/**
 * Where a request comes from, as far as somebody says it who is trusted: each proxy adds the address that it was asked from at the
 * end, and what stands before the first one that is no proxy of ours may have been made up.
 * @param forwarded `X-Forwarded-For`, one address after the other.
 */
export function clientAddress(
  connection: string | undefined,
  forwarded: string | undefined,
  isProxy: (address: string | undefined) => boolean,
): string | undefined {
  let client = connection === undefined ? undefined : plainAddress(connection);
  for (const said of (forwarded ?? '').split(',').reverse()) {
    const address = plainAddress(said.trim());
    // What is no address, such as `unknown`, ends what we know.
    if (!isProxy(client) || familyOf(address) === undefined) return client;
    client = address;
  }
  return client;
}

/** As a client is known by: an IPv4 address is one address, however a socket for both families writes it. */
export function plainAddress(address: string): string {
  const [unscoped = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(unscoped)?.[1];
  return mapped ?? unscoped;
}

type Family = 'ipv4' | 'ipv6';

function parse(text: string): { base: string; bits: number; family: Family } | undefined {
  const [base = '', length, ...rest] = text.split('/');
  const family = familyOf(base);
  if (!family || rest.length > 0 || plainAddress(base) !== base) return undefined;
  const most = family === 'ipv4' ? 32 : 128;
  if (length === undefined) return { base, bits: most, family };
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return undefined;
  return { base, bits: Number(length), family };
}

function familyOf(address: string): Family | undefined {
  const version = isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : undefined;
}
