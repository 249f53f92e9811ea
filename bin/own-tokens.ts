/** Tokens as `CAIRN_TOKENS` gives them. */
import type { GivenToken } from '../core/environment-tokens.ts';
import { RegistryError } from '../core/errors.ts';
import type { TokenLimit } from '../core/permission.ts';
import { givenTokens } from '../ecosystems/given-tokens.ts';
import { allEcosystems, ecosystems } from '../ecosystems/index.ts';
import { parseSubject } from './package-argument.ts';

/** `run/acme:TOKEN,npm/@acme:TOKEN,x07:TOKEN` */
export function ownTokens(text: string | undefined): readonly GivenToken[] {
  return givenTokens({ variable: 'CAIRN_TOKENS', text, placeOf: placeIn, example: 'npm/@acme' });
}

/** An ecosystem, or one of its namespaces; where it has none, one of its names. */
function placeIn(text: string): TokenLimit | undefined {
  const ecosystem = allEcosystems.find((id) => id === text);
  if (ecosystem) return { ecosystem };
  try {
    const { of, ...subject } = parseSubject(text);
    if (of !== 'namespace' && ecosystems[subject.ecosystem].rules.isNamespace) return undefined;
    return { ecosystem: subject.ecosystem, namespace: subject.name };
  } catch (error) {
    // What it says names what was sent, and that may be a token.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
