/** The text of a search (contract, section 9): words, and qualifiers such as `keywords:cli,-web`. */
import { RegistryError } from '../../core/errors.ts';
import { scopeOf, unscoped } from './names.ts';
import type { NpmSummary } from './summary.ts';

const MAX_TEXT_LENGTH = 1024;
const MAX_WORDS = 32;

export interface Query {
  /** Whether it asks for everything. */
  readonly isEmpty: boolean;
  /** Whether a summary, as it is written, is worth reading. */
  mayMatch(text: string): boolean;
  /** From 0 (not a hit) to 1 (the package that was named). */
  relevanceOf(summary: NpmSummary): number;
}

type Test = (summary: NpmSummary) => boolean;

/** @throws RegistryError `bad-request` for a text that nobody would type. */
export function readQuery(text: string): Query {
  const parts = text.trim().split(/\s+/).filter(Boolean);
  if (text.length > MAX_TEXT_LENGTH || parts.length > MAX_WORDS)
    throw new RegistryError(
      'bad-request',
      `text has ${MAX_TEXT_LENGTH} characters and ${MAX_WORDS} words at most`,
    );
  const words: string[] = [];
  const texts: string[] = [];
  const tests: Test[] = [];
  for (const part of parts) {
    const [, name = '', value = ''] = /^([a-z-]+):(.+)$/i.exec(part) ?? [];
    const qualifier = qualifiers.get(name.toLowerCase());
    if (qualifier) tests.push(qualifier(value.toLowerCase()));
    else words.push(part.toLowerCase());
    if (handleQualifiers.has(name.toLowerCase())) texts.push(value);
  }
  // As the word stands in JSON, in upper or lower case.
  const patterns = [...words, ...texts].map(
    (word) => new RegExp(escaped(JSON.stringify(word).slice(1, -1)), 'iu'),
  );
  return {
    isEmpty: parts.length === 0,
    mayMatch: (line) => patterns.every((pattern) => pattern.test(line)),
    relevanceOf: (summary) => (tests.every((test) => test(summary)) ? relevanceOf(summary, words) : 0),
  };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** How much a word says, by where it was found; in hundredths, because tenths do not add up. */
const found = { exact: 100, prefix: 80, word: 60, inside: 40, keyword: 30, description: 20 } as const;
/** What is deprecated comes after its equals that are not. */
const DEPRECATED = 1;

function relevanceOf(summary: NpmSummary, words: readonly string[]): number {
  if (words.length === 0) return 1;
  let sum = 0;
  for (const word of words) {
    const weight = weightOf(word, summary);
    // Every word has to be somewhere.
    if (weight === 0) return 0;
    sum += weight;
  }
  // `left pad` means left-pad.
  const whole = words.join('-');
  const mean = summary.name.toLowerCase() === whole ? found.exact : Math.floor(sum / words.length);
  return (mean - (summary.deprecated ? DEPRECATED : 0)) / 100;
}

function weightOf(word: string, { name, keywords = [], description = '' }: NpmSummary): number {
  const full = name.toLowerCase();
  if (full === word) return found.exact;
  if (full.startsWith(word) || unscoped(full).startsWith(word)) return found.prefix;
  if (full.split(/[@/._~-]/).includes(word)) return found.word;
  if (full.includes(word)) return found.inside;
  if (keywords.some((keyword) => keyword.toLowerCase().includes(word))) return found.keyword;
  return description.toLowerCase().includes(word) ? found.description : 0;
}

const qualifiers: ReadonlyMap<string, (value: string) => Test> = new Map<string, (value: string) => Test>([
  [
    'author',
    (value) =>
      ({ author, publisher }) =>
        author?.toLowerCase() === value || publisher === value,
  ],
  [
    'maintainer',
    (value) =>
      ({ maintainers }) =>
        maintainers.includes(value),
  ],
  [
    'scope',
    (value) =>
      ({ name }) =>
        scopeOf(name)?.toLowerCase() === `@${value.replace(/^@/, '')}`,
  ],
  ['keywords', withKeywords],
  ['is', (value) => (summary) => listIn(value).every((trait) => hasTrait(summary, trait))],
  ['not', (value) => (summary) => !listIn(value).some((trait) => hasTrait(summary, trait))],
  // In the language of the public registry, and without a meaning here: an exact name always comes first.
  ['boost-exact', () => () => true],
]);

/** Whoever is named has to stand somewhere in the summary. */
const handleQualifiers: ReadonlySet<string> = new Set(['author', 'maintainer']);

/** `a,b`: one of them; `a+b`: both; `-a` anywhere in the list: not that one. */
function withKeywords(value: string): Test {
  const list = listIn(value);
  const unwanted = list.filter((part) => part.startsWith('-')).map((part) => part.slice(1));
  const choices = list.filter((part) => !part.startsWith('-')).map((part) => part.split('+').filter(Boolean));
  return ({ keywords = [] }) => {
    const has = new Set(keywords.map((keyword) => keyword.toLowerCase()));
    if (unwanted.some((keyword) => has.has(keyword))) return false;
    return choices.length === 0 || choices.some((all) => all.every((keyword) => has.has(keyword)));
  };
}

function listIn(value: string): string[] {
  return value.split(',').filter(Boolean);
}

/** No package is what nobody here knows of. */
function hasTrait(summary: NpmSummary, trait: string): boolean {
  switch (trait) {
    case 'deprecated':
      return summary.deprecated === true;
    case 'unstable':
      return summary.unstable === true;
    case 'insecure':
      return summary.insecure === true;
    default:
      return false;
  }
}
