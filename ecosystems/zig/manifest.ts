/** What a package's build.zig.zon says (contract, sections 8 and 11): both generations, strictly. */
import { crc32 } from 'node:zlib';
import { quote } from '../quote.ts';
import { badManifest } from '../bad.ts';
import { isZigHash } from './hash-text.ts';
import { resolvePath } from './paths-of-packages.ts';
import { isZigVersion } from './version.ts';
import { isBareIdentifier, parseZon, placeIn, type ZonValue } from './zon.ts';

const MAX_NAME_BYTES = 32;
const MAX_VERSION_BYTES = 32;

export interface ZigManifest {
  /** Modern: an enum literal, for Zig 0.14 and later. Legacy: a string, for Zig 0.11 to 0.15. */
  readonly generation: 'modern' | 'legacy';
  readonly name: string;
  readonly version: string;
  readonly fingerprint: bigint | undefined;
  /** What a modern hash has of the fingerprint; `undefined` when the name can be in no modern hash. */
  readonly id: number | undefined;
  readonly minimumZigVersion: string | undefined;
  readonly dependencies: ReadonlyMap<string, ZigDependency>;
  /** As resolved: `.` is the whole package. `undefined` when the field is missing, which means the same. */
  readonly paths: readonly string[] | undefined;
  /** Strings of fields that Zig does not know, such as `description`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Plain sentences on what is allowed and will trouble someone. */
  readonly warnings: readonly string[];
}

export type ZigDependency = { readonly isLazy: boolean } & (
  | { readonly kind: 'url'; readonly url: string; readonly hash: string }
  | { readonly kind: 'path'; readonly path: string }
);

/** @throws RegistryError `invalid-manifest`: what, where, and the way out */
export function readManifest(text: string): ZigManifest {
  return new ManifestReader(text).read();
}

class ManifestReader {
  readonly #text: string;
  readonly #warnings: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  read(): ZigManifest {
    const top = parseZon(this.#text);
    if (top.kind !== 'struct') throw this.#fail(top, 'expected top level expression to be a struct');
    const field = (name: string) => top.fields.get(name);
    const { name, generation } = this.#name(field('name') ?? this.#missing(top, 'name'));
    const version = this.#version(field('version') ?? this.#missing(top, 'version'));
    const fingerprint = this.#fingerprint(name, field('fingerprint'));
    const minimum = field('minimum_zig_version');
    return {
      generation,
      name,
      version,
      fingerprint,
      id: this.#id(name, generation, fingerprint),
      minimumZigVersion: minimum && this.#semanticVersion(minimum),
      dependencies: this.#dependencies(field('dependencies')),
      paths: this.#paths(field('paths')),
      texts: textsOf(top.fields),
      warnings: this.#warnings,
    };
  }

  #name(value: ZonValue): { name: string; generation: 'modern' | 'legacy' } {
    if (value.kind !== 'enum' && value.kind !== 'string')
      throw this.#fail(value, 'name: expected an enum literal, such as .my_lib');
    if (value.kind === 'enum' && value.isQuoted)
      throw this.#fail(value, 'name must be a valid bare zig identifier, such as .my_lib');
    const name = value.kind === 'enum' ? value.name : value.text;
    if (name === '' || /\p{Cc}/u.test(name))
      throw this.#fail(value, 'name must not be empty, and have no control characters');
    if (Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw this.#fail(value, `name ${quote(name)} exceeds max length of ${MAX_NAME_BYTES}`);
    return { name, generation: value.kind === 'enum' ? 'modern' : 'legacy' };
  }

  #version(value: ZonValue): string {
    const text = this.#string(value, 'version');
    const length = Buffer.byteLength(text);
    if (length > MAX_VERSION_BYTES)
      throw this.#fail(value, `version string length ${length} exceeds maximum of ${MAX_VERSION_BYTES}`);
    return this.#semanticVersion(value);
  }

  #semanticVersion(value: ZonValue): string {
    const text = this.#string(value, 'a version');
    if (!isZigVersion(text))
      throw this.#fail(value, `${quote(text)} is not a semantic version, such as 1.2.3 or 1.2.3-dev.4`);
    return text;
  }

  #fingerprint(name: string, value: ZonValue | undefined): bigint | undefined {
    if (value === undefined) return undefined;
    if (value.kind !== 'number' || value.value < 0n || value.value >= 1n << 64n)
      throw this.#fail(value, 'fingerprint: expected a u64 integer literal');
    const id = value.value & 0xffffffffn;
    const checksum = BigInt(crc32(name));
    if (id === 0n || id === 0xffffffffn)
      throw this.#fail(
        value,
        `invalid fingerprint: ${hex(value.value)}; its low half must be neither 0 nor 0xffffffff: ` +
          `choose eight hexadecimal digits at random and write them after ${hex(checksum)}`,
      );
    const right = (checksum << 32n) | id;
    if (value.value !== right)
      throw this.#fail(
        value,
        `invalid fingerprint: ${hex(value.value)}; if this is a new or forked package, use this value: ${hex(right)}`,
      );
    return value.value;
  }

  #id(name: string, generation: 'modern' | 'legacy', fingerprint: bigint | undefined): number | undefined {
    if (fingerprint === undefined && generation === 'modern')
      this.#warnings.push('build.zig.zon has no fingerprint: Zig 0.16 and later refuse the package');
    // Zig 0.14 and 0.15 take a string that is an identifier, and make 0 of a missing fingerprint.
    if (generation === 'legacy' && !isBareIdentifier(name)) return undefined;
    return Number((fingerprint ?? 0n) & 0xffffffffn);
  }

  #dependencies(value: ZonValue | undefined): ReadonlyMap<string, ZigDependency> {
    if (value === undefined) return new Map();
    if (value.kind !== 'struct') throw this.#fail(value, 'expected dependencies expression to be a struct');
    return new Map([...value.fields].map(([name, field]) => [name, this.#dependency(name, field)]));
  }

  #dependency(name: string, value: ZonValue): ZigDependency {
    if (value.kind !== 'struct') throw this.#fail(value, 'expected dependency expression to be a struct');
    const field = (key: string) => value.fields.get(key);
    const [url, path, hash, lazy] = [field('url'), field('path'), field('hash'), field('lazy')];
    if (url && path)
      throw this.#fail(
        value,
        `${quote(name)}: dependency should specify only one of 'url' and 'path' fields.`,
      );
    if (lazy && lazy.kind !== 'boolean') throw this.#fail(lazy, 'lazy: expected true or false');
    const isLazy = lazy?.value ?? false;
    if (path) {
      if (hash) throw this.#fail(hash, 'path-based dependencies are not hashed');
      return { kind: 'path', path: this.#dependencyPath(name, path), isLazy };
    }
    if (!url)
      throw this.#fail(value, `${quote(name)}: dependency requires location field, one of 'url' or 'path'.`);
    const text = this.#string(url, 'url');
    if (!hash) throw this.#fail(value, `${quote(name)} has a url and no hash: zig fetch --save writes both`);
    const hashText = this.#string(hash, 'hash');
    if (!isZigHash(hashText)) throw this.#fail(hash, `invalid hash: ${quote(hashText)}`);
    return { kind: 'url', url: text, hash: hashText, isLazy };
  }

  #dependencyPath(name: string, value: ZonValue): string {
    const path = this.#string(value, 'path');
    const resolved = resolvePath(path);
    if (resolved.startsWith('/') || resolved === '..' || resolved.startsWith('../'))
      this.#warnings.push(
        `the dependency ${quote(name)} lies outside the package, at ${quote(path)}: who installs the package does not have it`,
      );
    return path;
  }

  #paths(value: ZonValue | undefined): readonly string[] | undefined {
    if (value === undefined) {
      this.#warnings.push('build.zig.zon has no paths: every file counts, and zig fetch refuses the package');
      return undefined;
    }
    // `.{}` is a struct.
    if (value.kind !== 'tuple')
      throw this.#fail(value, 'expected paths expression to be a list of strings, such as .{""}');
    return value.items.map((item) => resolvePath(this.#string(item, 'a path')));
  }

  #string(value: ZonValue, what: string): string {
    if (value.kind === 'string') return value.text;
    const found = value.kind === 'other' ? value.what : called[value.kind];
    throw this.#fail(value, `${what}: expected string literal, found ${found}`);
  }

  #missing(top: ZonValue, name: string): never {
    throw this.#fail(top, `missing top-level '${name}' field`);
  }

  #fail(value: ZonValue, message: string): Error {
    return badManifest(`${placeIn(this.#text, value.at)}: ${message}`);
  }
}

const called = {
  struct: 'a struct',
  tuple: 'a list',
  number: 'a number',
  enum: 'an enum literal',
  boolean: 'a boolean',
};

const known = new Set(['name', 'version', 'fingerprint', 'minimum_zig_version', 'dependencies', 'paths']);

function textsOf(fields: ReadonlyMap<string, ZonValue>): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of fields)
    if (!known.has(name) && value.kind === 'string') texts.set(name, value.text);
  return texts;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
