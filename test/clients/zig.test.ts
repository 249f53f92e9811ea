/** The real compiler fetches and builds what was published, from a registry and from its site with no registry behind it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ArchiveType } from '../../ecosystems/zig/archive.ts';
import { closing } from '../support/closing.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { ADMIN_TOKEN, startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { zigApi, type Published, type ZigApi, type ZigMetadata } from '../support/zig-api.ts';
import { archiveTypes, file, folder, link, packAs, type Packed } from '../support/zig-archive.ts';
import { inFolder, libraryFiles, programFiles, type ZigLibrary } from '../support/zig-library.ts';
import { newestZig, noOlderZig, olderZigs, openZigProject } from '../support/zig-program.ts';
import { startStaticHost } from '../support/test-store.ts';

/** An archive as it was uploaded, and what the registry said. */
interface Upload {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly archive: Buffer;
  readonly published: Published;
}

interface Site {
  /** Of a registry, or of a web server with its files. */
  readonly url: string;
  readonly uploads: readonly Upload[];
  /** By name. */
  readonly libraries: ReadonlyMap<string, Published>;
}

/** Archives of every type, with a folder around the package, without one, and without a manifest. */
function shapesOf(type: ArchiveType): readonly [string, string, readonly Packed[]][] {
  const id = type.replaceAll('.', '_');
  const extra = (name: string): Packed[] => [
    file(`src/grüße.zig`, `// ${name}\n`),
    // Zig makes a file of a link in a zip.
    ...(type === 'zip' ? [] : [link('src/link.zig', 'root.zig')]),
  ];
  const of = (name: string): Packed[] => [...libraryFiles({ name, version: '1.2.3' }), ...extra(name)];
  const naked = [file('a.zig', `// naked ${type}\n`), file('deep/b.zig', 'b'), ...extra('naked')];
  return [
    [`rooted_${id}`, '1.2.3', [folder('some-folder'), ...inFolder(of(`rooted_${id}`), 'some-folder')]],
    [`bare_${id}`, '1.2.3', of(`bare_${id}`)],
    [`naked-${id}`, '1.2.3', inFolder(naked, 'another')],
  ];
}

async function publishAll(zig: ZigApi): Promise<Omit<Site, 'url'>> {
  const uploads: Upload[] = [];
  for (const type of archiveTypes)
    for (const [name, version, entries] of shapesOf(type)) {
      const archive = packAs(type, entries);
      const filename = `${name}-${version}.${type}`;
      const published = await zig.publish({ tarball: archive, filename }, ADMIN_TOKEN);
      uploads.push({ name: name.replaceAll('_', '-'), version, filename, archive, published });
    }
  const libraries = new Map<string, Published>();
  const add = async (library: ZigLibrary, type: ArchiveType = 'tar.gz'): Promise<Published> => {
    const tarball = packAs(type, inFolder(libraryFiles(library), library.name));
    const published = await zig.publish({ tarball }, ADMIN_TOKEN);
    libraries.set(library.name, published);
    return published;
  };
  const inner = await add({ name: 'inner_lib', says: 'inside' });
  await add({ name: 'outer_lib', says: 'outside', dependencies: { inner_lib: inner.dependency } });
  await add({ name: 'plus', version: '1.2.3-dev.4+gabc', says: 'plus' });
  // Zig 0.11 hashes every file that it finds: what is packed again has none but those that count.
  await add({ name: 'old_style', isLegacy: true }, 'zip');
  return { uploads, libraries };
}

type Forms = Readonly<Record<string, (t: ReturnType<typeof closing>) => Promise<Site>>>;

const forms: Forms = {
  async 'cairn serve'(t) {
    const { server, zig } = await serve(t);
    return { url: server.url, ...(await publishAll(zig)) };
  },
  async 'the site alone, by nginx'(t) {
    const port = await freePort();
    const { server, zig, data } = await serve(t, ['--public-url', `http://127.0.0.1:${port}`]);
    const all = await publishAll(zig);
    await server.stop();
    const { url } = await startStaticHost(t, data, port);
    return { url, ...all };
  },
};

async function serve(t: ReturnType<typeof closing>, flags: readonly string[] = []) {
  const data = await temporaryDirectory(t);
  const env = { CAIRN_ECOSYSTEMS: 'npm,zig' };
  const server = await startServer({ data, flags, env });
  t.after(() => server.kill());
  return { server, data, zig: zigApi({ url: server.url, data }) };
}

for (const [form, open] of Object.entries(forms))
  describe(form, { skip: form.includes('nginx') && noNginx }, () => {
    let site: Site;
    const opened = closing();
    before(async () => (site = await open(opened)));
    after(() => opened.close());

    /** What a surface says of a package, with addresses of its own. */
    const metadata = async (mount: string, path: string): Promise<ZigMetadata> => {
      const answer = await fetch(`${site.url}${mount}/packages/${path}`);
      assert.equal(answer.status, 200, `${mount}/packages/${path}`);
      return (await answer.json()) as ZigMetadata;
    };
    const library = (name: string): Published => {
      const published = site.libraries.get(name);
      assert.ok(published, name);
      return published;
    };

    test('the hash of every archive is the one that Zig computes of it, before and after', async (t) => {
      const zig = await openZigProject(t, newestZig);
      for (const { name, version, filename, archive, published } of site.uploads) {
        await zig.write(filename, archive);
        assert.equal(await zig.ok('fetch', filename), published.hash, `${filename} as it was sent`);
        const fresh = await openZigProject(t, newestZig);
        const { tarballUrl } = await metadata('/zig', `${name}/${version}`);
        assert.equal(tarballUrl, published.tarballUrl);
        assert.equal(await fresh.ok('fetch', tarballUrl), published.hash, `${filename} as it is served`);
      }
    });

    for (const mount of ['/zig', '/pantry/zig']) {
      test(`${mount}: zig fetch --save writes the address and the hash we answered`, async (t) => {
        const { tarballUrl, hash, fetchCommand } = await metadata(mount, 'outer-lib');
        assert.ok(tarballUrl.startsWith(`${site.url}${mount}/`), tarballUrl);
        assert.equal(fetchCommand, `zig fetch --save '${tarballUrl}'`);
        const project = await openZigProject(t, newestZig, programFiles({}));
        await project.ok('fetch', '--save', tarballUrl);
        const saved = await readFile(join(project.folder, 'build.zig.zon'), 'utf8');
        const dependency = /\.outer_lib = \.\{\s*\.url = "(.*)",\s*\.hash = "(.*)",\s*\}/.exec(saved);
        assert.deepEqual(dependency?.slice(1), [tarballUrl, hash], saved);
      });

      test(`${mount}: the text of the dependency builds a program, with dependencies of dependencies`, async (t) => {
        const outer = await metadata(mount, 'outer_lib');
        const plus = await metadata(mount, `plus/${encodeURIComponent('1.2.3-dev.4+gabc')}`);
        const dependencies = { outer_lib: outer.dependency, plus: plus.dependency };
        const project = await openZigProject(t, newestZig, programFiles(dependencies));
        const { code, output } = await project.run('build', '-j1');
        assert.equal(code, 0, output);
        assert.match(output, /^outside with inside$/m);
        assert.match(output, /^plus$/m);
      });

      test(`${mount}: a package is found by its hash, in both forms`, async (t) => {
        for (const name of ['inner_lib', 'plus', 'old_style']) {
          const { hash, legacyHash } = library(name);
          for (const known of [hash, legacyHash]) {
            const at = `${site.url}${mount}`;
            const found = await fetch(`${at}/hash/${encodeURIComponent(known)}`);
            assert.equal(found.status, 200, known);
            assert.equal(((await found.json()) as ZigMetadata).hash, known);
            if (name === 'old_style') continue;
            const project = await openZigProject(t, newestZig);
            assert.equal(await project.ok('fetch', `${at}/p/${encodeURIComponent(known)}.tar.gz`), hash);
          }
        }
      });

      test(`${mount}: a plus in a version works in every spelling`, async (t) => {
        const { hash } = library('plus');
        for (const version of ['1.2.3-dev.4+gabc', '1.2.3-dev.4%2Bgabc', '1.2.3-dev.4%2bgabc']) {
          const project = await openZigProject(t, newestZig);
          const url = `${site.url}${mount}/packages/plus/${version}/tarball`;
          assert.equal(await project.ok('fetch', url), hash, version);
        }
      });

      test(`${mount}: what is not there is said in Zig's own words`, async (t) => {
        const project = await openZigProject(t, newestZig);
        const said = await project.refused('fetch', `${site.url}${mount}/packages/nothing/1.0.0/tarball`);
        assert.match(said, /404 Not Found/);
      });
    }

    test('a program is not built from other files than those of the hash', async (t) => {
      const [inner, outer] = [library('inner_lib'), library('outer_lib')];
      const dependency = inner.dependency.replace(inner.tarballUrl, outer.tarballUrl);
      const project = await openZigProject(t, newestZig, programFiles({ inner_lib: dependency }));
      assert.match(await project.refused('build', '-j1'), /hash mismatch/);
    });

    for (const version of olderZigs)
      test(`Zig ${version} computes the hash we answered`, { skip: noOlderZig }, async (t) => {
        const isOld = ['0.11.0', '0.13.0'].includes(version);
        const naked = site.uploads.find(({ name }) => name === 'naked-zip');
        assert.ok(naked);
        const wanted = [library(isOld ? 'old_style' : 'outer_lib'), naked.published];
        // Zig 0.11 cannot fetch; a build without a hash says which one it wants.
        for (const { tarballUrl, hash, legacyHash } of wanted) {
          const expected = isOld ? legacyHash : hash;
          const project = await openZigProject(t, version, {
            'build.zig': '',
            'build.zig.zon': `.{ .name = "program", .version = "1.0.0", .dependencies = .{ .x = .{ .url = "${tarballUrl}" } } }`,
          });
          if (version === '0.11.0')
            assert.match(await project.refused('build'), new RegExp(`expected .hash = "${expected}"`));
          else assert.equal(await project.ok('fetch', tarballUrl), expected);
        }
      });
  });
