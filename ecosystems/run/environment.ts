/** The variables of upstream's server, so that a registry can move here with its configuration (contract, sections 3 and 7). */
import { RegistryError } from '../../core/errors.ts';
import type { Aliases, Environment } from '../ecosystem.ts';
import { givenTokens } from '../given-tokens.ts';
import { rules } from './names.ts';

const prefix = 'REGISTRY_';
const own = ['URL', 'DATA_DIR', 'ADMIN_TOKEN', 'TOKENS', 'MAX_UPLOAD_MB', 'RATE_LIMIT_PER_MIN'];
const [standardHost, standardPort] = ['0.0.0.0', '8080'];

/** @throws RegistryError `bad-request` for a value that cannot be meant here. */
export function environment(given: Environment): Aliases {
  const said = (name: string): string | undefined => given[name]?.trim() || undefined;
  // The others have names that every second program looks for: alone they are not meant for us.
  if (!own.some((word) => said(prefix + word))) return { variables: {}, notes: [] };
  const base = baseUrlIn(said(`${prefix}URL`));
  const [port, limit] = [said('PORT'), said(`${prefix}RATE_LIMIT_PER_MIN`)];
  return {
    variables: {
      CAIRN_PUBLIC_URL: base?.origin,
      // Upstream's server is the root of its origin, or of the base it is given: its clients have stored that.
      CAIRN_MOUNTS: `run=${base?.pathname ?? '/'}`,
      CAIRN_LISTEN: port === undefined ? undefined : `${standardHost}:${checkPort(port)}`,
      // In the words of its code, or else in those of its documents, which its code does not read.
      CAIRN_DATA: said(`${prefix}DATA_DIR`) ?? said('DATA_DIR'),
      CAIRN_RUN_MAX_UPLOAD_MB: said(`${prefix}MAX_UPLOAD_MB`) ?? said('MAX_UPLOAD_MB'),
      CAIRN_LIMITS: limit === undefined ? undefined : `run=${limit}`,
      CAIRN_ADMIN_TOKEN: said(`${prefix}ADMIN_TOKEN`),
    },
    standards: { CAIRN_LISTEN: `${standardHost}:${standardPort}` },
    tokens: givenTokens({
      variable: `${prefix}TOKENS`,
      text: said(`${prefix}TOKENS`),
      placeOf: placeIn,
      example: 'acme',
    }),
    notes: [],
  };
}

/** A namespace; `*` is every one, which administers nothing here. */
function placeIn(text: string): { ecosystem: 'run'; namespace?: string } | undefined {
  if (text === '*') return { ecosystem: 'run' };
  return rules.isNamespace?.(text) ? { ecosystem: 'run', namespace: text } : undefined;
}

function checkPort(port: string): string {
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65_535) return port;
  throw new RegistryError('bad-request', `PORT=${port}: use a number such as ${standardPort}`);
}

function baseUrlIn(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new RegistryError(
      'bad-request',
      `${prefix}URL=${text} is not a URL such as https://registry.example`,
    );
  return url;
}
