/** Packages of Zig that do something: a library says a sentence, a program prints what the libraries say. */
import { crc32 } from 'node:zlib';
import { file, type Packed } from './zig-archive.ts';

export interface ZigLibrary {
  readonly name: string;
  readonly version?: string;
  /** What it says, before what its dependencies say. */
  readonly says?: string;
  /** Name to the text that stands in `.dependencies`. */
  readonly dependencies?: Readonly<Record<string, string>>;
  /** More lines of build.zig.zon. */
  readonly extra?: string;
  /** As Zig 0.11 to 0.13 have it: the name is a string, and there is no fingerprint. */
  readonly isLegacy?: boolean;
}

export function libraryManifest({
  name,
  version = '1.0.0',
  dependencies = {},
  extra = '',
  isLegacy = false,
}: ZigLibrary): string {
  const lines = [
    isLegacy ? `.name = "${name}",` : `.name = .${name},`,
    `.version = "${version}",`,
    ...(isLegacy ? [] : [`.fingerprint = ${fingerprintOf(name)},`]),
    ...(extra === '' ? [] : [extra]),
    `.dependencies = .{\n${Object.values(dependencies).join('\n')}\n},`,
    `.paths = .{ "build.zig", "build.zig.zon", "src" },`,
  ];
  return `.{\n${lines.map((line) => `    ${line}\n`).join('')}}\n`;
}

/** With an id that everybody has, which is bad manners and the same in every run. */
export function fingerprintOf(name: string, id = 0x1234_5678): string {
  return `0x${((BigInt(crc32(name)) << 32n) | BigInt(id)).toString(16)}`;
}

/** Its files, without a folder around them; the README does not count. */
export function libraryFiles(library: ZigLibrary): Packed[] {
  const { name, says = `${name} ${library.version ?? '1.0.0'}`, dependencies = {} } = library;
  const others = Object.keys(dependencies);
  const said = others.map((other) => ` ++ " with " ++ @import("${other}").says`).join('');
  return [
    file('build.zig.zon', libraryManifest(library)),
    file(
      'build.zig',
      `const std = @import("std");
pub fn build(b: *std.Build) void {
    _ = b.addModule("${name}", .{
        .root_source_file = b.path("src/root.zig"),
        .imports = &.{${importsOf(others)}},
    });
}
`,
    ),
    file('src/root.zig', `pub const says = "${says}"${said};\n`),
    file('README.md', '# Not a part of the package\n'),
  ];
}

/** A program that prints what its dependencies say, each on a line, when it is built. */
export function programFiles(dependencies: Readonly<Record<string, string>>): Record<string, string> {
  const names = Object.keys(dependencies);
  const lines = names.map((name) => `    std.debug.print("{s}\\n", .{@import("${name}").says});\n`);
  return {
    'build.zig.zon': libraryManifest({ name: 'program', dependencies }),
    'build.zig': `const std = @import("std");
pub fn build(b: *std.Build) void {
    const program = b.addExecutable(.{ .name = "program", .root_module = b.createModule(.{
        .root_source_file = b.path("src/main.zig"),
        .target = b.graph.host,
        .imports = &.{${importsOf(names)}},
    }) });
    b.getInstallStep().dependOn(&b.addRunArtifact(program).step);
}
`,
    'src/main.zig': `const std = @import("std");\npub fn main() void {\n${lines.join('')}}\n`,
  };
}

function importsOf(names: readonly string[]): string {
  return names
    .map((name) => `.{ .name = "${name}", .module = b.dependency("${name}", .{}).module("${name}") },`)
    .join(' ');
}

/** In one root folder, as everybody should pack. */
export function inFolder(entries: readonly Packed[], folder: string): Packed[] {
  return entries.map((entry) => ({ ...entry, path: `${folder}/${String(entry.path)}` }));
}
