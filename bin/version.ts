import { createRequire } from 'node:module';

/** Of this program, as its package says: found by its name, from the sources and from what is compiled of them. */
export const { version } = createRequire(import.meta.url)('cairn/package.json') as {
  readonly version: string;
};
