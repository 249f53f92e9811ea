/** Bodies as npm's clients send and want them. */
import { RegistryError } from '../../core/errors.ts';
import { requireScope, type Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer, Visibility } from '../../core/route.ts';
import { isObject } from './manifest.ts';

const MAX_JSON_BYTES = 1024 * 1024;

export function answer(status: number, body: unknown): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** What a write is answered with; `npm-notice` is printed by npm. */
export function done(status: number, fields: object, visibility: Visibility): HttpAnswer {
  const written = answer(status, { ok: true, ...fields });
  if (visibility === 'visible') return written;
  return {
    ...written,
    headers: {
      ...written.headers,
      'npm-notice': 'accepted, and not yet visible to readers; it will be without help',
    },
  };
}

/** @throws RegistryError `wrong-shape` */
export async function readObject(call: Call, shape: string): Promise<Readonly<Record<string, unknown>>> {
  const body = await call.readJson({ maxBytes: MAX_JSON_BYTES });
  if (!isObject(body)) throw wrongShape(shape);
  return body;
}

export function wrongShape(shape: string): RegistryError {
  return new RegistryError('wrong-shape', `the body must be ${shape}`);
}

/** Who writes: with a code of the device as well where the account wants one. */
export async function requireWriter(call: Call): Promise<Actor> {
  requireActor(call);
  await call.requireSecondFactor(call.header('npm-otp'));
  return requireActor(call);
}

/** @throws RegistryError `unauthenticated` or `token-invalid` */
export function requireActor(call: Call): Actor {
  const actor = call.authenticate();
  if (actor) return actor;
  // Says what every other endpoint says of a missing token.
  return requireScope(undefined, 'read');
}
