/** Random values that a JSON Schema of this project allows, so that a new kind or field is tested without a new line here. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Json } from '../../core/canonical-json.ts';

interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
}

/** Short enough that a line with every field stays below its limit. */
const LONGEST_TEXT = 30;
const MOST_ITEMS = 3;

function load(file: string): Schema {
  return JSON.parse(readFileSync(new URL(`../../schema/${file}`, import.meta.url), 'utf8')) as Schema;
}

/** One arbitrary per kind of event that a schema file knows. */
export function eventsByKind<E>(file: string): ReadonlyMap<string, fc.Arbitrary<E>> {
  const schema = load(file);
  const kinds = (schema.oneOf ?? []).map(({ $ref = '' }) => $ref.slice('#/$defs/'.length));
  return new Map(kinds.map((kind) => [kind, valueOf(schema.$defs?.[kind] ?? {}, schema) as fc.Arbitrary<E>]));
}

const text = (min: number, max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', minLength: min, maxLength: Math.min(max, LONGEST_TEXT) });

/** Anything that canonical JSON can carry. */
export const anyJson: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    text(0, 10),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(text(0, 6), tie('json'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).json;

export const anyJsonObject: fc.Arbitrary<Readonly<Record<string, Json>>> = fc.dictionary(
  text(0, 6),
  anyJson,
  {
    maxKeys: 4,
    noNullPrototype: true,
  },
);

function valueOf(schema: Schema, root: Schema): fc.Arbitrary<Json> {
  const { type } = schema;
  if (schema.$ref !== undefined) {
    if (!schema.$ref.startsWith('#')) return valueOf(load(schema.$ref), load(schema.$ref));
    return valueOf(root.$defs?.[schema.$ref.slice('#/$defs/'.length)] ?? {}, root);
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: schema.minimum ?? Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
    case 'string':
      return schema.pattern === undefined
        ? text(schema.minLength ?? 0, schema.maxLength ?? LONGEST_TEXT)
        : fc.stringMatching(new RegExp(schema.pattern), { maxLength: 200 }).filter((it) => isWellFormed(it));
    case 'array':
      return listOf(valueOf(schema.items ?? {}, root), schema);
    case 'object':
      return objectOf(schema, root);
    case undefined:
  }
  throw new Error(`a schema without a type: ${JSON.stringify(schema)}`);
}

function listOf(item: fc.Arbitrary<Json>, { minItems = 0, uniqueItems }: Schema): fc.Arbitrary<Json> {
  const size = { minLength: minItems, maxLength: MOST_ITEMS };
  return uniqueItems ? fc.uniqueArray(item, size) : fc.array(item, size);
}

function isWellFormed(it: string): boolean {
  return (it as string & { isWellFormed(): boolean }).isWellFormed();
}

function objectOf(schema: Schema, root: Schema): fc.Arbitrary<Json> {
  const parts = [schema, ...(schema.allOf ?? []).map((part) => resolve(part, root))];
  const properties = Object.assign({}, ...parts.map((part) => part.properties)) as Record<string, Schema>;
  if (Object.keys(properties).length === 0)
    return schema.additionalProperties
      ? fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), valueOf(schema.additionalProperties, root), {
          maxKeys: MOST_ITEMS,
          noNullPrototype: true,
        })
      : anyJsonObject;
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, valueOf(property, root)]),
  );
  const requiredKeys = parts.flatMap((part) => part.required ?? []);
  return fc.record(model, { requiredKeys, noNullPrototype: true });
}

function resolve(schema: Schema, root: Schema): Schema {
  return schema.$ref === undefined ? schema : (root.$defs?.[schema.$ref.slice('#/$defs/'.length)] ?? {});
}
