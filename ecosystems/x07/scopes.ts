/** X07's words for what a token may do (contract, section 8.1), and the registry's. */
import { RegistryError } from '../../core/errors.ts';
import { requireScope, type Actor, type Scope } from '../../core/permission.ts';
import type { Call } from '../../core/route.ts';
import { quote } from '../quote.ts';

const meaning = {
  admin: ['admin'],
  'owner.manage': ['owner', 'yank'],
  publish: ['publish'],
  'token.manage': ['tokens'],
} as const satisfies Record<string, readonly Scope[]>;

export type ScopeWord = keyof typeof meaning;

export const allWords = Object.keys(meaning) as readonly ScopeWord[];

/** @throws RegistryError `invalid-scope` */
export function asScopeWord(text: string): ScopeWord {
  const word = allWords.find((known) => known === text);
  if (word) return word;
  throw new RegistryError(
    'invalid-scope',
    `${quote(text)} is not a scope; there are: ${allWords.join(', ')}`,
  );
}

export function scopesOf(words: readonly ScopeWord[]): Scope[] {
  return words.flatMap((word) => meaning[word]);
}

/** Sorted. A word is there when the token may do all that it means. */
export function wordsOf(scopes: Iterable<Scope>): ScopeWord[] {
  const held = new Set(scopes);
  return allWords.filter((word) => meaning[word].every((scope) => held.has(scope)));
}

/**
 * The actor of a request that needs a scope: of what the word means, only the part that this request needs.
 * @throws RegistryError `unauthenticated`, `token-invalid`, `scope-missing`
 */
export function requireWord(call: Call, word: ScopeWord, scope: Scope = meaning[word][0]): Actor {
  return requireScope(call.authenticate(), scope, undefined, word);
}
