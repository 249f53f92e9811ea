import { RegistryError } from '../core/errors.ts';

const units = { d: 24 * 60 * 60_000, h: 60 * 60_000, m: 60_000, s: 1_000 } as const;
type Unit = keyof typeof units;

/** `7d`, `24h`, `0`: milliseconds. @throws RegistryError `bad-request` naming the flag */
export function parseDuration(flag: string, text: string): number {
  const [, number, unit] = /^(\d{1,6})([dhms])$/.exec(text.trim()) ?? [];
  if (number !== undefined) return Number(number) * units[unit as Unit];
  if (/^0+$/.test(text.trim())) return 0;
  throw new RegistryError(
    'bad-request',
    `${flag} ${text}: use a number with d, h, m or s, such as 7d or 24h; or 0`,
  );
}

const words: readonly (readonly [unit: Unit, word: string])[] = [
  ['d', 'day'],
  ['h', 'hour'],
  ['m', 'minute'],
  ['s', 'second'],
];

/** In the largest unit of which there are two, or one: `8 days`. */
export function durationInWords(ms: number): string {
  const [unit, word] = words.find(([one]) => ms >= 2 * units[one]) ?? ['s', 'second'];
  const count = Math.floor(ms / units[unit]);
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

const prefixes = ['KiB', 'MiB', 'GiB', 'TiB'];

export function bytesInWords(bytes: number): string {
  let [amount, prefix] = [bytes, 'bytes'];
  for (const next of prefixes) {
    if (amount < 1024) break;
    [amount, prefix] = [amount / 1024, next];
  }
  return prefix === 'bytes' ? `${bytes} byte${bytes === 1 ? '' : 's'}` : `${amount.toFixed(1)} ${prefix}`;
}
