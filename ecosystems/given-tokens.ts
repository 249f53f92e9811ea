/** Lists of tokens as variables of the environment hold them: `PLACE:TOKEN,PLACE:TOKEN`. */
import type { GivenToken } from '../core/environment-tokens.ts';
import { RegistryError } from '../core/errors.ts';
import type { TokenLimit } from '../core/permission.ts';

export interface GivenTokenList {
  /** The variable's name, for messages. */
  readonly variable: string;
  readonly text: string | undefined;
  /** What stands before the colon, as a place; undefined when it is none. */
  readonly placeOf: (text: string) => TokenLimit | undefined;
  /** Such as `acme`, for messages. */
  readonly example: string;
}

/**
 * A place ends at the first colon. What was said is in no message: who mixes the halves up would read his secret in a log.
 * @throws RegistryError `bad-request`
 */
export function givenTokens({
  variable,
  text = '',
  placeOf,
  example,
}: GivenTokenList): readonly GivenToken[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return entries.map((entry, i) => {
    const said = entries.length === 1 ? variable : `${variable}, entry ${i + 1}`;
    const colon = entry.indexOf(':');
    const place = colon < 1 ? undefined : placeOf(entry.slice(0, colon).trim());
    if (!place)
      throw new RegistryError(
        'bad-request',
        `${said}: what stands before the first colon is no place that a token can be for; write ${example}:TOKEN`,
      );
    return { ...place, token: entry.slice(colon + 1).trim(), said };
  });
}
