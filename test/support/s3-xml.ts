/** The little XML that S3 speaks. */

/** A tag and what is in it: a text, or tags. */
export type Tag = readonly [name: string, content: string | number | boolean | readonly Tag[]];

export function xmlOf(tag: Tag): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${written(tag)}`;
}

function written([name, content]: Tag): string {
  const text = Array.isArray(content) ? (content as readonly Tag[]).map(written).join('') : escaped(content);
  return `<${name}>${text}</${name}>`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escaped(text: unknown): string {
  return String(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** The contents of every tag of that name, in order; those with tags in them as they are written. */
export function contentsOf(name: string, xml: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>`, 'gs'))].map(
    ([, content = '']) => content,
  );
}

/** Of the first one. */
export function textOf(name: string, xml: string): string | undefined {
  const [content] = contentsOf(name, xml);
  return content === undefined ? undefined : plain(content);
}

function plain(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal?: string, hex?: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return Object.keys(entities).find((character) => entities[character] === whole) ?? whole;
  });
}
