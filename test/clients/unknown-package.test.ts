/** A package that is not there: the registry's 404 is JSON, and each client says in its own words that it found none. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noNginx } from '../support/nginx.ts';
import { clientNamed, clientNames, type ClientName } from '../support/npm-clients.ts';
import { openProject, type Registry } from '../support/npm-project.ts';
import { serveRegistry, serveSiteAlone } from '../support/npm-registries.ts';

const words: Readonly<Record<ClientName, RegExp>> = {
  'npm 10': /E404[\s\S]*is not in this registry/,
  'npm 11': /E404[\s\S]*could not be found/,
  'npm 12': /E404[\s\S]*could not be found/,
  'pnpm 9': /ERR_PNPM_FETCH_404[\s\S]*is not in the npm registry/,
  'pnpm 12': /ERR_PNPM_FETCH_404[\s\S]*is not in the npm registry/,
  'yarn 1': /Couldn't find (?:any )?package|Request failed "404 Not Found"|Not found/,
  'yarn 4': /YN0035[\s\S]*(?:Package not found|404)/,
  bun: /404/,
};

const forms: Readonly<Record<string, (t: Parameters<typeof serveRegistry>[0]) => Promise<Registry>>> = {
  'cairn serve': (t) => serveRegistry(t, { packages: [{ name: 'plain-lib', version: '1.0.0' }] }),
  'the site alone': (t) => serveSiteAlone(t, [{ name: 'plain-lib', version: '1.0.0' }]),
};

for (const [form, open] of Object.entries(forms))
  describe(form, { skip: form.includes('site') && noNginx, concurrency: 2 }, () => {
    let registry: Registry;
    const opened = closing();
    before(async () => (registry = await open(opened)));
    after(() => opened.close());

    for (const path of [
      'no-such-thing',
      '@no%2fsuch-thing',
      '@no',
      'plain-lib/9.9.9',
      'plain-lib/-/plain-lib-9.9.9.tgz',
    ])
      test(`${path} is a 404 in JSON that nobody keeps`, async () => {
        const answer = await fetch(`${registry.registry}/${path}`);
        assert.equal(answer.status, 404);
        assert.equal(answer.headers.get('content-type'), 'application/json');
        assert.equal(answer.headers.get('cache-control'), 'no-store');
        const { error } = (await answer.json()) as { error: string };
        assert.notEqual(error.trim(), '');
      });

    for (const name of clientNames)
      test(`${name} does not find a package, scoped or not`, async (t) => {
        for (const missing of ['no-such-thing', '@no/such-thing']) {
          const project = await openProject(t, await clientNamed(name), registry, {
            name: 'application',
            version: '1.0.0',
            private: true,
            dependencies: { [missing]: '^1.0.0' },
          });
          const said = await project.refused('install');
          assert.match(said, words[name]);
          assert.ok(said.includes(missing) || said.includes(missing.replace('/', '%2f')), said);
        }
      });
  });
