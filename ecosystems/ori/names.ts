/** Names and versions of Ori packages (contract, section 2). What upstream leaves open is chosen here, and nowhere else. */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Rules } from '../../core/rules.ts';
import type { RouteParams } from '../../core/site.ts';
import { quote } from '../quote.ts';

/** The whole of it, `@` and `/` included: the reading that no stricter one would refuse. */
const MAX_NAME_LENGTH = 64;
const MAX_VERSION_LENGTH = 128;

const part = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const whole = /^@([^/]+)\/([^/]+)$/;

/** Nobody can claim these, as a scope or as a name; nor what begins with `std`. */
const reserved: ReadonlySet<string> = new Set([
  'test',
  'tests',
  'example',
  'examples',
  'internal',
  'private',
  'temp',
  'tmp',
  'build',
  'dist',
  'out',
]);

// https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string, without build metadata:
// Ori's versions are compared as they are spelled, and one version cannot have two spellings.
const exactVersion =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?$/;

export const rules: Rules = {
  isName: (name) => isName(name) && !isReserved(name),
  // Lower case, digits and hyphens: two spellings of one name there are not.
  nameKey: (name) => name,
  versionKey: (version) => version,
  compareVersions,
  ownedBy: 'package',
  // Its owners say who adds packages to it. Each package has owners of its own, and moves by itself.
  namespaceOf: scopeOf,
  isNamespace: (text) => text.startsWith('@') && isName(`${text}/a`) && !isReserved(`${text}/a`),
  isRange: (text) => intervalsIn(text) !== undefined,
};

export function compareVersions(a: string, b: string): number {
  return semver.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** Whether a text is spelled as a name is; `isReserved` may still say no. */
export function isName(text: string): boolean {
  const parts = whole.exec(text)?.slice(1);
  return text.length <= MAX_NAME_LENGTH && parts?.every((one) => part.test(one)) === true;
}

function isReserved(name: string): boolean {
  const parts = whole.exec(name)?.slice(1) ?? [];
  return parts.some((one) => reserved.has(one) || one.startsWith('std'));
}

/** @throws RegistryError `invalid-name`; `surfaceCode` says whether it is reserved. */
export function checkNewName(name: string): void {
  if (!isName(name))
    throw new RegistryError(
      'invalid-name',
      `${quote(name)} is not a package name: use @scope/name of a-z, 0-9 and single hyphens inside, at most ${MAX_NAME_LENGTH} characters`,
    );
  if (isReserved(name))
    throw new RegistryError(
      'invalid-name',
      `${quote(name)} is reserved: neither scope nor name may begin with std, or be one of ${[...reserved].join(', ')}`,
      { surfaceCode: 'reserved_name' },
    );
}

/** `@acme` of `@acme/json`. */
export function scopeOf(name: string): string {
  return name.split('/', 1)[0] ?? '';
}

/** As paths have it: without the `@`. Of a text that is no name, what its first slash leaves. */
export function paramsOf(name: string): { readonly scope: string; readonly name: string } {
  const [scope = '', ...rest] = name.slice(1).split('/');
  return { scope, name: rest.join('/') };
}

/** The name that a path means. It may be none at all. */
export function nameIn({ scope = '', name = '' }: RouteParams): string {
  return `@${scope}/${name}`;
}

export function isVersion(text: string): boolean {
  return text.length <= MAX_VERSION_LENGTH && exactVersion.test(text) && semver.parse(text) !== null;
}

export function isPrerelease(version: string): boolean {
  return version.includes('-');
}

/** From one version on, up to another. Ori's clients know no ranges: this is for those who file advisories. */
export interface Interval {
  /** The first; from the beginning where it is missing. */
  readonly introduced?: string;
  /** The first that is no longer in it. */
  readonly fixed?: string;
  /** Or the last that is. */
  readonly lastAffected?: string;
}

/** `<3.0.3`, `>=1.0.0 <=1.4.2`, and several with `||` between them; undefined for any other text. */
export function intervalsIn(text: string): readonly Interval[] | undefined {
  const intervals: Interval[] = [];
  for (const alternative of text.split('||')) {
    const parts = alternative.trim().split(/\s+/);
    const interval: { introduced?: string; fixed?: string; lastAffected?: string } = {};
    for (const one of parts) {
      const [, sign = '', version = ''] = /^(>=|<=|<)(.+)$/.exec(one) ?? [];
      const field = fieldOf[sign];
      const isTaken = field === undefined || interval[field] !== undefined;
      if (isTaken || !isVersion(version)) return undefined;
      interval[field] = version;
    }
    if (interval.fixed !== undefined && interval.lastAffected !== undefined) return undefined;
    intervals.push(interval);
  }
  return intervals;
}

const fieldOf: Readonly<Record<string, keyof Interval | undefined>> = {
  '>=': 'introduced',
  '<': 'fixed',
  '<=': 'lastAffected',
};

export function isWithin(version: string, { introduced, fixed, lastAffected }: Interval): boolean {
  return (
    (introduced === undefined || semver.gte(version, introduced)) &&
    (fixed === undefined || semver.lt(version, fixed)) &&
    (lastAffected === undefined || semver.lte(version, lastAffected))
  );
}
