/** Settings in the words of the servers whose place this one takes. */
import { RegistryError } from '../core/errors.ts';
import type { Aliases } from '../ecosystems/ecosystem.ts';
import { allSurfaces } from '../surfaces/index.ts';

export interface AllAliases {
  /** @throws RegistryError `bad-request` where the variables of two servers disagree. */
  said(name: string): string | undefined;
  standard(name: string): string | undefined;
  readonly notes: readonly string[];
  readonly tokens: NonNullable<Aliases['tokens']>;
}

/** What is said in both words counts in ours. */
export function aliasesIn(environment: NodeJS.ProcessEnv): AllAliases {
  const all = allSurfaces.flatMap((surface) => surface.environment?.(environment) ?? []);
  const valuesIn = (name: string, of: (aliases: Aliases) => Aliases['variables']): readonly string[] => [
    ...new Set(all.flatMap((aliases) => of(aliases)[name]?.trim() || [])),
  ];
  return {
    said(name) {
      const values = valuesIn(name, ({ variables }) => variables);
      // Each of them has a place for its own surface.
      if (name === 'CAIRN_MOUNTS' || name === 'CAIRN_LIMITS')
        return values.length > 0 ? values.join(',') : undefined;
      if (values.length < 2) return values[0];
      // Not what they are: some are secrets.
      throw new RegistryError(
        'bad-request',
        `variables of several servers disagree about ${name}: say it in that word`,
      );
    },
    standard: (name) => valuesIn(name, ({ standards = {} }) => standards)[0],
    notes: [...new Set(all.flatMap(({ notes }) => notes))],
    tokens: all.flatMap(({ tokens = [] }) => tokens),
  };
}
