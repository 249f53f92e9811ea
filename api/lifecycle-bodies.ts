/** What requests about the life of a name say: the name itself, in any ecosystem, and what else each needs. */
import { RegistryError } from '../core/errors.ts';
import type { Actor, Scope } from '../core/permission.ts';
import { requireScope } from '../core/permission.ts';
import type { JsonSchema } from '../core/route-doc.ts';
import type { Call, HttpAnswer } from '../core/route.ts';
import { allEcosystems, rulesOf } from '../ecosystems/index.ts';
import { text } from '../ecosystems/schema-words.ts';
import type { EcosystemId } from '../schema/types.ts';

const MAX_BODY_BYTES = 64 * 1024;
const LONGEST_NAME = 512;

export interface Named {
  readonly ecosystem: EcosystemId;
  readonly name: string;
}

export interface SubjectNamed extends Named {
  readonly of?: 'namespace';
}

export const namedSchema = {
  ecosystem: { enum: allEcosystems },
  name: { ...text, description: 'As its ecosystem writes it.' },
} satisfies Record<string, JsonSchema>;

export const namespaceSchema = {
  const: 'namespace',
  description: 'Where the name is that of a namespace.',
} satisfies JsonSchema;

export type Body = Readonly<Record<string, unknown>>;

/**
 * Who asks, by a credential with that scope and a code of the account's device where it asks for one: the name of a package is worth
 * as much as what is published under it.
 */
export async function requireCaller(call: Call, scope: Scope): Promise<Actor> {
  await call.requireSecondFactor(call.header('npm-otp'));
  return requireScope(call.authenticate(), scope);
}

export async function readObject(call: Call): Promise<Body> {
  const body = await call.readJson({ maxBytes: MAX_BODY_BYTES });
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RegistryError('wrong-shape', 'the body must be a JSON object');
  return body as Body;
}

export function textIn(body: Body, field: string): string {
  const value = optionalText(body, field);
  if (value === undefined) throw new RegistryError('wrong-shape', `${field} is missing: it must be a text`);
  return value;
}

export function optionalText(body: Body, field: string): string | undefined {
  const value = Object.hasOwn(body, field) ? body[field] : undefined;
  if (value === undefined || value === null) return undefined;
  // Half of a pair of surrogates is no text that can be written down.
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return value;
  throw new RegistryError('wrong-shape', `${field} must be a text`);
}

export function textsIn(body: Body, field: string): string[] | undefined {
  const value = Object.hasOwn(body, field) ? body[field] : undefined;
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
    throw new RegistryError('wrong-shape', `${field} must be a list of texts`);
  return value;
}

/** One of the words, or `standard` where none is said. */
export function wordIn<Word extends string>(
  body: Body,
  field: string,
  words: readonly Word[],
  standard?: Word,
): Word {
  const value = optionalText(body, field) ?? standard;
  const known = words.find((word) => word === value);
  if (known !== undefined) return known;
  throw new RegistryError('wrong-shape', `${field} must be one of ${words.join(', ')}`);
}

export function namedIn(body: Body): Named {
  return named(textIn(body, 'ecosystem'), textIn(body, 'name'));
}

export function subjectIn(body: Body): SubjectNamed {
  const { ecosystem, name } = namedIn(body);
  if (optionalText(body, 'of') === undefined) return { ecosystem, name };
  const of = wordIn(body, 'of', ['namespace']);
  if (rulesOf(ecosystem).isNamespace?.(name)) return { ecosystem, name, of };
  throw new RegistryError('invalid-name', `${JSON.stringify(name)} cannot be a namespace of ${ecosystem}`);
}

/** Whether there is such a name is for the state to say. @throws RegistryError `bad-request`, `invalid-name` */
export function named(ecosystem: string, name: string): Named {
  const known = allEcosystems.find((id) => id === ecosystem);
  if (!known)
    throw new RegistryError(
      'bad-request',
      `there is no ecosystem ${JSON.stringify(ecosystem)}; there are: ${allEcosystems.join(', ')}`,
    );
  if (name === '' || name.length > LONGEST_NAME)
    throw new RegistryError('invalid-name', `a name has 1 to ${LONGEST_NAME} characters`);
  return { ecosystem: known, name };
}

export function json(status: number, body: object): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(body),
  };
}
