/** `Range`, what is answered for a content of this size, and which part comes with it. */
export type RangeCase = readonly [range: string, status: 200 | 206 | 416, from?: number, to?: number];

export function rangeCases(size: number, backward: 200 | 416): readonly RangeCase[] {
  return [
    ['bytes=0-0', 206, 0, 0],
    ['bytes=0-4', 206, 0, 4],
    ['bytes=5-', 206, 5, size - 1],
    ['bytes=-4', 206, size - 4, size - 1],
    [`bytes=0-${size - 1}`, 206, 0, size - 1],
    [`bytes=0-${size}`, 206, 0, size - 1],
    ['bytes=0-999999999999', 206, 0, size - 1],
    [`bytes=-${size + 5}`, 206, 0, size - 1],
    [`bytes=${size - 1}-`, 206, size - 1, size - 1],
    [`bytes=${size}-`, 416],
    [`bytes=${size}-${size + 10}`, 416],
    ['bytes=-0', 416],
    ['bytes=99999999999999999999-', 416],
    ['bytes=5-1', backward],
    ['bytes=500-0', backward],
    // What is not one range is as if nothing had been asked.
    ['bytes=-', 200],
    ['bytes=a-b', 200],
    ['bytes=0-1,4-5', 200],
    ['lines=0-1', 200],
    ['bytes 0-1', 200],
  ];
}
