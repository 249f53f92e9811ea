/** Which hosts another server may send us to. */
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Not reachable from everywhere: of this machine, of its network, or of nobody (RFC 6890 and what came after). */
const local = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  local.addSubnet(network, prefix, 'ipv4');

/** All that is given out to the world; what wraps an IPv4 address (6to4, Teredo) lies within and is taken out again. */
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const wrapped6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  wrapped6.addSubnet(network, prefix, 'ipv6');

export function isGlobalAddress(address: string): boolean {
  if (isIP(address) === 4) return !local.check(address, 'ipv4');
  return isIP(address) === 6 && global6.check(address, 'ipv6') && !wrapped6.check(address, 'ipv6');
}

/** Whether a host of a URL that is written as an address is one for everybody. A name is only known once it is looked up. */
export function mayBeGlobal(hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) === 0 || isGlobalAddress(address);
}

/** Looks a name up as usual, and finds nothing where an address is not for everybody: what is checked is what is used. */
export const lookupGlobal: LookupFunction = (hostname, options, callback) => {
  const all: LookupOptions & { all: true } = { ...options, all: true };
  lookup(hostname, all, (error, addresses: LookupAddress[]) => {
    const first = addresses?.[0];
    if (error ?? !first) return callback(error ?? refused(hostname), '', 0);
    if (!addresses.every(({ address }) => isGlobalAddress(address)))
      return callback(refused(hostname), '', 0);
    if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function refused(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} is not an address for everybody`), { code: 'ENOTFOUND' });
}
