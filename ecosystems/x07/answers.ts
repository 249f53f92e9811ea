/** Bodies as X07's clients send and want them: JSON objects, compact, `ok` first. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer, Visibility } from '../../core/route.ts';
import { quote } from '../quote.ts';

const MAX_JSON_BYTES = 2 * 1024 * 1024;

export function ok(fields: object, visibility: Visibility = 'visible'): HttpAnswer {
  const degraded =
    visibility === 'degraded'
      ? { degraded: 'accepted, and not yet visible to readers; it will be without help' }
      : {};
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ok: true, ...fields, ...degraded }),
  };
}

export type Body = Readonly<Record<string, unknown>>;

/** @throws RegistryError what upstream's framework refuses: no JSON, malformed JSON, or no object. */
export async function readObject(call: Call, shape: string): Promise<Body> {
  const body = await call.readJson({ maxBytes: MAX_JSON_BYTES });
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw wrongShape(shape);
  return body as Body;
}

export function wrongShape(shape: string): RegistryError {
  return new RegistryError('wrong-shape', `the body must be ${shape}`);
}

/** A field that is a text; undefined when it is missing or null. @throws RegistryError `wrong-shape` */
export function optionalText(body: Body, field: string, shape: string): string | undefined {
  const value = Object.hasOwn(body, field) ? body[field] : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) throw wrongShape(shape);
  return value;
}

export function requiredText(body: Body, field: string, shape: string): string {
  const value = optionalText(body, field, shape);
  if (value === undefined) throw wrongShape(shape);
  return value;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws RegistryError what upstream's framework says of a path that must hold one. */
export function requireUuid(text: string): void {
  if (!uuid.test(text)) throw new RegistryError('bad-request', `${quote(text)} is not a UUID`);
}
