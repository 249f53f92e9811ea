/** WebAssembly binaries that are as small as they can be. */
export const emptyComponent = Buffer.from('0061736d0d000100', 'hex');
export const emptyModule = Buffer.from('0061736d01000000', 'hex');

/** A number as WebAssembly writes it. */
export function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...leb(Math.floor(value / 0x80))];
}

export function section(id: number, body: readonly number[]): Buffer {
  return Buffer.from([id, ...leb(body.length), ...body]);
}

/** Of a custom section with some bytes of its own: two components that differ in it alone are two components. */
export function componentWith(text: string): Buffer {
  const name = [...Buffer.from(text)];
  return Buffer.concat([emptyComponent, section(0, [...leb(name.length), ...name])]);
}

/** A name in its first form. */
export function nameOf(text: string): number[] {
  const bytes = [...Buffer.from(text)];
  return [0, ...leb(bytes.length), ...bytes];
}

/** An instance of type 0 under each name. */
export function importsOf(...names: readonly string[]): Buffer {
  return section(10, [...leb(names.length), ...names.flatMap((name) => [...nameOf(name), 5, 0])]);
}

/** Instance 0 under each name. */
export function exportsOf(...names: readonly string[]): Buffer {
  return section(11, [...leb(names.length), ...names.flatMap((name) => [...nameOf(name), 5, 0, 0])]);
}
