import { RegistryError } from '../core/errors.ts';

/** A century: beyond it nothing needs an end. */
const MAX_DAYS = 36_525;

/** The moment that `--expires` names. @throws RegistryError `bad-request` */
export function inDays(text: string): string {
  const days = Number(text);
  if (!(days > 0 && days <= MAX_DAYS))
    throw new RegistryError('bad-request', `--expires ${text}: give a number of days, ${MAX_DAYS} at most`);
  return new Date(Date.now() + days * 86_400_000).toISOString();
}
