/** Documents of packages as clients read them, and what a command changed in one. */
import assert from 'node:assert/strict';
import { bearer } from './http.ts';
import { escaped, type Packument } from './npm-api.ts';
import type { Registry } from './npm-project.ts';

type Fields = Readonly<Record<string, unknown>>;

export async function readPackument({ registry, token }: Registry, name: string): Promise<Packument> {
  const answer = await fetch(`${registry}/${escaped(name)}`, { headers: bearer(token) });
  assert.equal(answer.status, 200, `${name}: ${answer.status}`);
  return (await answer.json()) as Packument;
}

/** By its path, such as `dist-tags.beta`: what was there and what is. Absent is undefined. */
export type Changes = Readonly<Record<string, readonly [before: unknown, after: unknown]>>;

/** Change with every write, whatever it is. */
const always = new Set(['_rev', 'time.modified']);

export function changesBetween(before: unknown, after: unknown): Changes {
  return Object.fromEntries([...differences(before, after, [])].filter(([path]) => !always.has(path)));
}

function* differences(
  before: unknown,
  after: unknown,
  path: readonly string[],
): Iterable<[string, readonly [unknown, unknown]]> {
  if (isFields(before) && isFields(after)) {
    for (const field of new Set([...Object.keys(before), ...Object.keys(after)]))
      yield* differences(before[field], after[field], [...path, field]);
    return;
  }
  if (JSON.stringify(before) !== JSON.stringify(after)) yield [path.join('.'), [before, after]];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
