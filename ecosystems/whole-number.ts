import { RegistryError } from '../core/errors.ts';
import type { Call } from '../core/route.ts';

/** A parameter of the query that is a whole number; undefined without it. @throws RegistryError `bad-request` */
export function wholeNumber({ query }: Call, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw new RegistryError('bad-request', `${name} must be a number from 0 to 999999999`);
  return Number(text);
}
