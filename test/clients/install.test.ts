/** Every client installs from every form of the registry: with an empty cache, from its lock file, with a full cache. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noNginx } from '../support/nginx.ts';
import { clientNamed, clientNames, type ClientName } from '../support/npm-clients.ts';
import { openProject, type Project, type Registry } from '../support/npm-project.ts';
import { serveRegistry, serveSiteAlone, type Tagged } from '../support/npm-registries.ts';

const says = (text: string): Record<string, string> => ({ 'index.js': `module.exports = '${text}';\n` });

const packages: readonly Tagged[] = [
  { name: 'plain-lib', version: '1.0.0', files: says('plain 1.0.0') },
  { name: 'plain-lib', version: '1.1.0', files: says('plain 1.1.0') },
  { name: 'plain-lib', version: '2.0.0-beta.1', files: says('plain 2.0.0-beta.1'), tag: 'beta' },
  { name: 'chart.js', version: '1.0.0', files: says('chart') },
  {
    name: '@acme/tool',
    version: '1.0.0',
    manifest: { dependencies: { 'plain-lib': '^1.0.0' }, bin: { 'acme-tool': 'cli.js' } },
    files: {
      'index.js': `module.exports = 'tool with ' + require('plain-lib');\n`,
      'cli.js': `#!/usr/bin/env node\nconsole.log(require('./index.js'));\n`,
    },
  },
  {
    name: 'with-script',
    version: '1.0.0',
    manifest: { scripts: { postinstall: 'node write.js' } },
    files: { 'write.js': `require('fs').writeFileSync('was-run', '');\n` },
  },
];

const manifest = {
  name: 'application',
  version: '1.0.0',
  private: true,
  dependencies: { '@acme/tool': '^1.0.0', 'plain-lib': 'beta', 'chart.js': '*', 'with-script': '1.0.0' },
};

const reinstall: Readonly<Record<ClientName, readonly string[]>> = {
  'npm 10': ['ci'],
  'npm 11': ['ci'],
  'npm 12': ['ci'],
  'pnpm 9': ['install', '--frozen-lockfile'],
  'pnpm 12': ['install', '--frozen-lockfile'],
  'yarn 1': ['install', '--frozen-lockfile'],
  'yarn 4': ['install', '--immutable'],
  bun: ['install', '--frozen-lockfile'],
};

const program = `console.log([
  require('@acme/tool'), require('plain-lib'), require('chart.js')].join(', '))`;

async function assertInstalled(project: Project, how: string): Promise<void> {
  const said = await project.node('-e', program);
  assert.equal(said.trim(), 'tool with plain 1.1.0, plain 2.0.0-beta.1, chart', how);
  const modules = join(project.folder, 'node_modules');
  assert.equal((await project.node(join(modules, '@acme/tool/cli.js'))).trim(), 'tool with plain 1.1.0');
  assert.ok(existsSync(join(modules, '.bin/acme-tool')), `${how}: no program`);
  assert.ok(existsSync(join(modules, 'with-script/was-run')), `${how}: the install script did not run`);
}

async function installThrice(project: Project): Promise<void> {
  await project.ok('install');
  await assertInstalled(project, 'empty cache');
  await project.clean('node_modules', 'cache');
  await project.ok(...reinstall[project.client.name]);
  await assertInstalled(project, 'lock file, empty cache');
  await project.clean('node_modules', 'lockfile');
  await project.ok('install');
  await assertInstalled(project, 'full cache');
}

const forms: Readonly<Record<string, (t: Parameters<typeof serveRegistry>[0]) => Promise<Registry>>> = {
  'cairn serve at its mount': (t) => serveRegistry(t, { packages }),
  'cairn serve at the root': (t) => serveRegistry(t, { packages, mount: '/' }),
  'the site alone, by nginx': (t) => serveSiteAlone(t, packages),
  'the site alone at the root, by nginx': (t) => serveSiteAlone(t, packages, '/'),
};

for (const [form, open] of Object.entries(forms)) {
  const skip = form.includes('nginx') && noNginx;
  describe(form, { skip, concurrency: 2 }, () => {
    let registry: Registry;
    const opened = closing();
    before(async () => (registry = await open(opened)));
    after(() => opened.close());
    for (const name of clientNames)
      test(`${name} installs`, async (t) => {
        const project = await openProject(t, await clientNamed(name), registry, manifest);
        await installThrice(project);
      });
  });
}
