/** Publishing by every client that can: what stands afterwards, what is refused, and that it installs right away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { clientNamed, clientNames, type ClientName } from '../support/npm-clients.ts';
import { integrityOf } from '../support/npm-package.ts';
import { readPackument } from '../support/npm-packument.ts';
import { openProject, type Project } from '../support/npm-project.ts';
import { serveRegistry, type Served } from '../support/npm-registries.ts';

/** Words before the flags. */
const publish: Readonly<Record<ClientName, readonly string[]>> = {
  'npm 10': ['publish'],
  'npm 11': ['publish'],
  'npm 12': ['publish'],
  'pnpm 9': ['publish', '--no-git-checks'],
  'pnpm 12': ['publish', '--no-git-checks'],
  // It asks for the new version unless it is told that the one in the manifest is it.
  'yarn 1': ['publish', '--non-interactive'],
  'yarn 4': ['npm', 'publish'],
  bun: ['publish'],
};

describe('publishing', { concurrency: 2 }, () => {
  let served: Served;
  const opened = closing();
  before(
    async () =>
      (served = await serveRegistry(opened, { packages: [{ name: 'plain-lib', version: '1.0.0' }] })),
  );
  after(() => opened.close());

  for (const name of clientNames) {
    const own = name.replace(' ', '-');

    test(`${name} publishes, and cannot publish again`, async (t) => {
      const project = await aPackage(t, name, `by-${own}`, '1.0.0');
      const published = (...flags: readonly string[]) => project.ok(...publish[name], ...flags);
      await published();
      const first = await readPackument(served, `by-${own}`);
      assert.deepEqual(first['dist-tags'], { latest: '1.0.0' });
      const { '1.0.0': release } = first.versions;
      assert.ok(release);
      const url = `${served.registry}/by-${own}/-/by-${own}-1.0.0.tgz`;
      assert.equal(release.dist['tarball'], url);
      const tarball = Buffer.from(await (await fetch(url)).arrayBuffer());
      assert.equal(release.dist['integrity'], integrityOf(tarball));
      assert.deepEqual(release['bin'], { [`by-${own}`]: 'cli.js' });
      assert.deepEqual(release['dependencies'], { 'plain-lib': '^1.0.0' });
      assert.equal(first['readme'], `# by-${own}\n`);
      for (const local of ['_resolved', '_from', '_integrity', 'integrity', 'shasum'])
        assert.equal(release[local], undefined, local);

      // Other bytes of the same version.
      await project.write('index.js', 'module.exports = "changed";\n');
      const words = await project.refused(...publish[name]);
      assert.match(words, /cannot publish over|previously published|already (?:exists|published|present)/i);
      assert.deepEqual(await readPackument(served, `by-${own}`), first);
    });

    test(`${name} publishes a scoped package, a pre-release under its tag, and others install it at once`, async (t) => {
      const full = `@team-${own}/lib`;
      const project = await aPackage(t, name, full, '1.0.0');
      await project.ok(...publish[name], '--access', 'public');
      await project.write('package.json', manifestOf(full, '2.0.0-beta.1'));
      await project.ok(...publish[name], '--access', 'public', '--tag', 'beta');
      const packument = await readPackument(served, full);
      assert.deepEqual(packument['dist-tags'], { latest: '1.0.0', beta: '2.0.0-beta.1' });

      const user = await openProject(t, project.client, served, {
        name: 'user',
        version: '1.0.0',
        private: true,
        dependencies: { [full]: 'beta' },
      });
      await user.ok('install');
      assert.match(await user.node('-p', `require('${full}/package.json').version`), /^2\.0\.0-beta\.1/);

      // Its cache holds the document without the version that is published now.
      await project.write('package.json', manifestOf(full, '1.1.0'));
      await project.ok(...publish[name], '--access', 'public');
      await user.write(
        'package.json',
        JSON.stringify({ name: 'user', private: true, dependencies: { [full]: '1.1.0' } }),
      );
      await user.ok('install');
      assert.match(await user.node('-p', `require('${full}/package.json').version`), /^1\.1\.0/);
    });
  }

  async function aPackage(
    t: Parameters<typeof openProject>[0],
    client: ClientName,
    name: string,
    version: string,
  ): Promise<Project> {
    const project = await openProject(t, await clientNamed(client), served, {});
    await project.write('package.json', manifestOf(name, version));
    await project.write('index.js', `module.exports = "${name}";\n`);
    await project.write('cli.js', '#!/usr/bin/env node\n');
    await project.write('README.md', `# ${name}\n`);
    // It publishes what its lock file knows.
    if (client === 'yarn 4') await project.ok('install');
    return project;
  }
});

function manifestOf(name: string, version: string): string {
  const dependencies = name.startsWith('@') ? {} : { 'plain-lib': '^1.0.0' };
  return JSON.stringify({ name, version, bin: 'cli.js', dependencies }, undefined, 2);
}
