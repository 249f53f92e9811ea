/** Composes `.x07pkg` archives byte for byte as the real client does (contract of X07, section 5), and wrong ones. */

export interface Member {
  readonly path: string;
  readonly content?: string | Buffer;
  /** tar's type flag; `0` is a regular file, `2` a symbolic link, `5` a directory. */
  readonly type?: string;
  readonly linkName?: string;
}

export interface X07Package {
  readonly name: string;
  readonly version: string;
  /** Merged into the manifest; `undefined` drops a field. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Replaces the text of the manifest. */
  readonly manifestText?: string;
  /** Module id to its source; one module that is right when absent. */
  readonly modules?: Readonly<Record<string, string>>;
  readonly extra?: readonly Member[];
}

export function moduleId(name: string): string {
  return `ext.${name.replaceAll('-', '_')}`;
}

export function moduleSource(id: string, answer = 7): string {
  const decls = [
    { kind: 'export', names: [`${id}.answer`] },
    { kind: 'defn', name: `${id}.answer`, params: [], result: 'i32', body: answer },
  ];
  return `${JSON.stringify({ schema_version: 'x07.x07ast@0.8.0', kind: 'module', module_id: id, imports: [], decls })}\n`;
}

export function manifestOf({ name, version, manifest, modules }: X07Package): Record<string, unknown> {
  return {
    schema_version: 'x07.package@0.1.0',
    name,
    version,
    description: `About ${name}.`,
    docs: `How to use ${name}.`,
    license: 'MIT',
    module_root: 'modules',
    modules: Object.keys(modules ?? { [moduleId(name)]: '' }),
    meta: { x07c_compat: '>=0.2.0 <0.3.0', worlds_allowed: ['solve-pure'] },
    ...manifest,
  };
}

/** The archive that `x07 pkg pack` would make: members sorted by the bytes of their paths. */
export function packX07(wanted: X07Package): Buffer {
  const modules = wanted.modules ?? { [moduleId(wanted.name)]: moduleSource(moduleId(wanted.name)) };
  const members: Member[] = [
    { path: 'x07-package.json', content: wanted.manifestText ?? `${JSON.stringify(manifestOf(wanted))}\n` },
    ...Object.entries(modules).map(([id, content]) => ({
      path: `modules/${id.replaceAll('.', '/')}.x07.json`,
      content,
    })),
    ...(wanted.extra ?? []),
  ];
  return packTar(members.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))));
}

/** The vector of the contract (section 14), as the real client packed it. */
export function vectorArchive(): Buffer {
  const manifest =
    '{"schema_version":"x07.package@0.1.0","name":"vec-demo","version":"1.0.0","description":"vector","docs":"vector docs","license":"MIT","module_root":"modules","modules":["vec.demo"],"meta":{"x07c_compat":">=0.2.0 <0.3.0","worlds_allowed":["solve-pure"]}}\n';
  const module =
    '{"schema_version":"x07.x07ast@0.8.0","kind":"module","module_id":"vec.demo","imports":[],"decls":[{"kind":"export","names":["vec.demo.answer"]},{"kind":"defn","name":"vec.demo.answer","params":[],"result":"i32","body":7}]}\n';
  return packTar([
    { path: 'modules/vec/demo.x07.json', content: module },
    { path: 'x07-package.json', content: manifest },
  ]);
}

/** An old-GNU tar of the members in the order given, whatever they are. */
export function packTar(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(tarMember), Buffer.alloc(1024)]);
}

function tarMember({ path, content = '', type = '0', linkName = '' }: Member): Buffer[] {
  const name = Buffer.from(path);
  const long =
    name.length > 100
      ? tarMember({ path: '././@LongLink', content: Buffer.concat([name, Buffer.alloc(1)]), type: 'L' })
      : [];
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  name.copy(header, 0, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(linkName, 157, 100);
  header.write('ustar  \0', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(7, '0')}\0`, 148);
  return [...long, header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
}
