/** Words in which surfaces describe what they answer: JSON Schema, for the API's document. */
import type { JsonSchema } from '../core/route-doc.ts';

export const text = { type: 'string' } as const;
export const flag = { type: 'boolean' } as const;
export const count = { type: 'integer', minimum: 0 } as const;
export const time = { type: 'string', format: 'date-time' } as const;

/** What a redirect of a private blob means. */
export const atStore =
  'Of a private one, where the operator wants clients to fetch those from the object store: a URL there, good for a while.';

/** Every field that may come; `optional` ones may be missing. Others may be added later. */
export function object(properties: Record<string, JsonSchema>, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((field) => !optional.includes(field));
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}
