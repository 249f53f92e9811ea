import { ecosystems } from '../ecosystems/index.ts';
import type { Surface } from '../ecosystems/ecosystem.ts';
import { pantry } from './pantry/index.ts';

/** Every surface there is, those of one ecosystem first; which of them are on is for the settings to say. */
export const allSurfaces: readonly Surface[] = [
  ...Object.values(ecosystems).flatMap((ecosystem) => ecosystem.surfaces),
  pantry,
];
