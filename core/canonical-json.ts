/** Any value that canonical JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Canonical JSON after RFC 8785: no white space, keys sorted by UTF-16 code units, strings as ECMAScript writes
 * them. Numbers are restricted to safe integers, so that every language prints the same digits.
 * @throws TypeError on a fraction, an unsafe integer, a lone surrogate or a value JSON does not have.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new TypeError(`canonical JSON here holds integers only, not ${value}`);
    return String(value === 0 ? 0 : value);
  }
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') {
    const object = value as Record<string, unknown>;
    const members = Object.keys(object)
      .filter((key) => object[key] !== undefined)
      .sort()
      .map((key) => `${quote(key)}:${canonicalJson(object[key])}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`canonical JSON has no ${typeof value}`);
}

function quote(text: string): string {
  // Node 20 has isWellFormed; the type library of ES2023 does not yet.
  if (!(text as string & { isWellFormed(): boolean }).isWellFormed())
    throw new TypeError('canonical JSON has no lone surrogates');
  return JSON.stringify(text);
}
