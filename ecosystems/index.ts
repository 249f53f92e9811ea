import type { EcosystemId } from '../schema/types.ts';
import type { RulesOf } from '../core/rules.ts';
import type { Ecosystem, Surface } from './ecosystem.ts';
import { npm } from './npm/index.ts';
import { x07 } from './x07/index.ts';

/** Every ecosystem. Annotated, so that an id in the event schema without a folder does not compile. */
export const ecosystems: { readonly [Id in EcosystemId]: Ecosystem<Id> } = { x07, npm };

export const rulesOf: RulesOf = (ecosystem) => ecosystems[ecosystem].rules;

/** Every surface there is; which of them are on is for the settings to say. */
export const allSurfaces: readonly Surface[] = Object.values(ecosystems).flatMap(
  (ecosystem) => ecosystem.surfaces,
);
