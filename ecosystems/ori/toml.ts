/** Reads TOML as Ori writes it. The only file that knows who parses it. */
import { parse, TomlDate } from 'smol-toml';
import { badManifest } from '../bad.ts';
import { asToml } from './toml-spelling.ts';

export type TomlValue = unknown;
export type TomlTable = Readonly<Record<string, TomlValue>>;

/** @throws RegistryError `invalid-manifest` for what is not UTF-8, no TOML, or too much of it. */
export function readToml(bytes: Uint8Array, file: string): TomlTable {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw badManifest(`${file} is not UTF-8`, error);
  }
  const spelled = asToml(text);
  try {
    return parse(spelled, { maxDepth: 64, unsafeKeyBehaviour: 'throw' });
  } catch (error) {
    // Its message goes on with a picture of the place; the lines of the copy are those of the file.
    const [reason = ''] = (error as Error).message.split('\n');
    const line = lineIn(error);
    const place = line === undefined ? file : `${file}, line ${line}`;
    throw badManifest(`${place}: ${reason}`, error);
  }
}

function lineIn(error: unknown): number | undefined {
  const { line } = error as { readonly line?: unknown };
  return typeof line === 'number' ? line : undefined;
}

export function isTable(value: TomlValue): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TomlDate);
}
