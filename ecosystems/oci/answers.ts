/** Answers as the clients of the Distribution Specification read them. */
import type { HttpAnswer } from '../../core/route.ts';
import { versionHeader } from '../oci-files.ts';

/** Nobody keeps what the API says: it may be for one caller alone, and is about what changes. */
const unkept = { ...versionHeader, 'cache-control': 'private, no-store' } as const;

type Headers = Readonly<Record<string, string>>;

export function empty(status: number, headers: Headers = {}): HttpAnswer {
  return { status, headers: { ...unkept, ...headers } };
}

export function json(status: number, body: unknown, headers: Headers = {}): HttpAnswer {
  return {
    status,
    headers: { ...unkept, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

export function bytesOf(
  body: Extract<HttpAnswer['body'], { readonly blob: unknown }>,
  headers: Headers,
): HttpAnswer {
  return { status: 200, headers: { ...unkept, ...headers }, body };
}

/** As the path of a request: what follows is below the registry's own origin. */
export function locationOf(mount: string, name: string, rest: string): Headers {
  return { location: `${mount}/${name}/${rest}` };
}
