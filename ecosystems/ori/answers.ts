/** Bodies as Ori's client sends and wants them: JSON (contract, section 1). */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer, Visibility } from '../../core/route.ts';
import { quote } from '../quote.ts';

const MAX_JSON_BYTES = 64 * 1024;
/** Of a reason, or of the message of a deprecation. */
const MAX_TEXT_LENGTH = 1024;

export function json(status: number, body: object, visibility: Visibility = 'visible'): HttpAnswer {
  const degraded =
    visibility === 'degraded'
      ? { degraded: 'accepted, and not yet visible to readers; it will be without help' }
      : {};
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, ...degraded }),
  };
}

export type Body = Readonly<Record<string, unknown>>;

/** @throws RegistryError `bad-request`, and what is said of bodies that are no JSON */
export async function readObject(call: Call, shape: string): Promise<Body> {
  const body = await call.readJson({ maxBytes: MAX_JSON_BYTES });
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw wrongShape(shape);
  return body as Body;
}

/** Where a body may be missing: then there is nothing in it. */
export async function readOptionalObject(call: Call, shape: string): Promise<Body> {
  const isSent =
    Number(call.header('content-length') ?? 0) > 0 || call.header('transfer-encoding') !== undefined;
  return isSent ? readObject(call, shape) : {};
}

export function wrongShape(shape: string): RegistryError {
  return new RegistryError('wrong-shape', `the body must be ${shape}`);
}

/** A line for people to read, as it was sent; undefined where it is missing or null. @throws RegistryError `bad-request` */
export function lineIn(body: Body, field: string, shape: string): string | undefined {
  const value = Object.hasOwn(body, field) ? body[field] : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) throw wrongShape(shape);
  if ([...value].length > MAX_TEXT_LENGTH)
    throw new RegistryError('bad-request', `${field} has more than ${MAX_TEXT_LENGTH} characters`);
  // Clients print it, and a terminal obeys some characters.
  if (/\p{Cc}/u.test(value))
    throw new RegistryError('bad-request', `${field} has a control character in it: ${quote(value)}`);
  return value;
}
