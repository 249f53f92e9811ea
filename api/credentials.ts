/** What the header `Authorization` says. */

export interface Pair {
  readonly handle: string;
  /** A password, or a token. */
  readonly secret: string;
}

export function bearerOf(header: string | undefined): string | undefined {
  return header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : undefined;
}

/** A token with no scheme before it. */
export function bareToken(header: string | undefined): string | undefined {
  const text = header?.trim();
  return text === undefined || text === '' || /\s/.test(text) ? undefined : text;
}

const basicScheme = /^basic +/i;

export function isBasic(header: string | undefined): header is string {
  return header !== undefined && basicScheme.test(header);
}

/** RFC 7617; undefined when it is no pair. */
export function basicOf(header: string): Pair | undefined {
  const text = Buffer.from(header.replace(basicScheme, ''), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { handle: text.slice(0, colon), secret: text.slice(colon + 1) };
}
