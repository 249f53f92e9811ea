/** Which pages of other origins may read the API (Fetch standard, section 3.2). */
import type { IncomingHttpHeaders } from 'node:http';

type Headers = Readonly<Record<string, string>>;

export interface Cors {
  /** Headers that an answer carries so that the page may read it. */
  headersFor(request: IncomingHttpHeaders): Headers;
  /** The whole answer to `OPTIONS`: whatever is asked for, this is what is allowed. */
  preflightFor(request: IncomingHttpHeaders): Headers;
}

const ALLOWED_METHODS = 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE';
const ALLOWED_HEADERS = 'authorization, content-type, x-x07-csrf';
const legalHeaderValue = /^[\x20-\x7e]+$/;

/** Undefined where no origin is listed, or one that cannot be: then there is no CORS at all. */
export function corsFor(origins: readonly string[]): Cors | undefined {
  if (origins.length === 0 || !origins.every((origin) => legalHeaderValue.test(origin))) return undefined;
  const headersFor = origins.includes('*') ? anyOrigin : listedOrigin(new Set(origins));
  return {
    headersFor,
    preflightFor: (request) => ({
      ...headersFor(request),
      vary: 'origin, access-control-request-method, access-control-request-headers',
      'access-control-allow-methods': ALLOWED_METHODS,
      'access-control-allow-headers': ALLOWED_HEADERS,
      'content-length': '0',
    }),
  };
}

/** Everybody, and therefore nobody with cookies. */
function anyOrigin(): Headers {
  return { 'access-control-allow-origin': '*' };
}

function listedOrigin(origins: ReadonlySet<string>): (request: IncomingHttpHeaders) => Headers {
  return ({ origin }) => {
    if (origin === undefined || !origins.has(origin)) return { vary: 'origin' };
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      vary: 'origin',
    };
  };
}
