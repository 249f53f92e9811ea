import { createRequire } from 'node:module';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { PrivateEvent, RegistryEvent, Settings } from './types.ts';

const require = createRequire(import.meta.url);
const settingsSchema = require('./settings.schema.json') as object;
const eventSchema = require('./event.schema.json') as EventSchema;
const privateEventSchema = require('./private-event.schema.json') as EventSchema;

interface EventSchema {
  readonly $id: string;
  readonly oneOf: readonly { readonly $ref: string }[];
}

const ajv = new Ajv({ allErrors: false, strict: true, strictRequired: false });
ajv.addSchema(settingsSchema).addSchema(eventSchema).addSchema(privateEventSchema);

/** A validator that is compiled when it is first asked for: all of them take half a second of every start. */
type Compiled<T = unknown> = () => ValidateFunction<T>;

function compiledAtFirstUse<T>(schema: object): Compiled<T> {
  let validator: ValidateFunction<T> | undefined;
  return () => (validator ??= ajv.compile<T>(schema));
}

/** What is wrong with a value that is not what its schema says, in one sentence. */
export class SchemaViolation extends Error {
  override readonly name = 'SchemaViolation';
}

/**
 * One validator per kind: choosing by `kind` first makes a message say what is wrong with a `published` line,
 * where a plain oneOf would list what is wrong with every kind.
 */
function validatorsByKind(schema: EventSchema): ReadonlyMap<string, Compiled> {
  const kinds = schema.oneOf.map(({ $ref }) => $ref.slice('#/$defs/'.length));
  return new Map(kinds.map((kind) => [kind, compiledAtFirstUse({ $ref: `${schema.$id}#/$defs/${kind}` })]));
}

const registryEventValidators = validatorsByKind(eventSchema);
const privateEventValidators = validatorsByKind(privateEventSchema);
const settingsValidator = compiledAtFirstUse<Settings>(settingsSchema);

function describe(errors: readonly ErrorObject[] | null | undefined): string {
  const first = errors?.[0];
  return first ? `${first.instancePath || 'the value'} ${first.message ?? 'is not allowed'}` : 'not allowed';
}

function checkByKind(validators: ReadonlyMap<string, Compiled>, value: unknown): void {
  const kind = typeof value === 'object' && value !== null ? (value as { kind?: unknown }).kind : undefined;
  const validator = typeof kind === 'string' ? validators.get(kind)?.() : undefined;
  if (!validator) throw new SchemaViolation(`unknown kind ${JSON.stringify(kind) ?? 'undefined'}`);
  if (!validator(value)) throw new SchemaViolation(`${String(kind)}: ${describe(validator.errors)}`);
}

/** @throws SchemaViolation unless `value` is a line of the public log. Unknown fields are kept. */
export function asRegistryEvent(value: unknown): RegistryEvent {
  checkByKind(registryEventValidators, value);
  return value as RegistryEvent;
}

/** @throws SchemaViolation unless `value` is a line of the private log. */
export function asPrivateEvent(value: unknown): PrivateEvent {
  checkByKind(privateEventValidators, value);
  return value as PrivateEvent;
}

/** @throws SchemaViolation unless `value` can stand as the settings of a registry. */
export function asSettings(value: unknown): Settings {
  const validator = settingsValidator();
  if (!validator(value)) throw new SchemaViolation(`settings: ${describe(validator.errors)}`);
  return value;
}
