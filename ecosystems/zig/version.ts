/** Semantic versions as Zig reads them. What it takes it also prints back as it was. */
const PATTERN =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
/** Longer ones are no version, and no work for a pattern. */
const MAX_LENGTH = 256;
/** Numbers are 64 bits wide on the machines that packages are hashed on. */
const MAX_NUMBER = (1n << 64n) - 1n;

export function isZigVersion(text: string): boolean {
  const match = text.length > MAX_LENGTH ? null : PATTERN.exec(text);
  if (!match) return false;
  const [, major = '', minor = '', patch = '', pre = ''] = match;
  const identifiers = pre.split('.').filter((identifier) => /^\d+$/.test(identifier));
  if (identifiers.some((identifier) => /^0\d/.test(identifier))) return false;
  return [major, minor, patch, ...identifiers].every((number) => BigInt(number) <= MAX_NUMBER);
}
