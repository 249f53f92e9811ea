/** The official conformance suites find nothing to complain about, with a login and without one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noGo } from '../support/go-programs.ts';
import { judge, judgeAsOf2023, type Verdict } from '../support/oci-conformance.ts';
import { noOciServer, ociServer, type OciServer } from '../support/oci-server.ts';

/** Of a server that can do everything. What is disabled is for the next version; what is skipped is for other settings. */
const complete: Readonly<Record<'1.1' | 'dev' | '2023', Verdict>> = {
  '1.1': { passed: 860, failed: 0, skipped: 0, disabled: 2 },
  dev: { passed: 986, failed: 0, skipped: 0, disabled: 0 },
  '2023': { passed: 74, failed: 0, skipped: 5, disabled: 0 },
};

/** Files answer what is public, the API what is private; with a login each is asked with tokens, without one with nothing. */
const ways: readonly {
  readonly title: string;
  readonly env: Readonly<Record<string, string>>;
  readonly isOpen?: boolean;
}[] = [
  { title: 'of public repositories, with a login', env: { CAIRN_OCI_VISIBILITY: 'public' } },
  { title: 'of private repositories, with a login', env: {} },
  { title: 'of repositories that everybody may push to', env: { CAIRN_OCI_ANONYMOUS: 'push' }, isOpen: true },
];

for (const { title, env, isOpen = false } of ways)
  describe(`the official conformance suite ${title}`, { skip: noOciServer ?? noGo }, () => {
    let asked: Pick<OciServer, 'url'> & { readonly login?: OciServer['login'] };
    const opened = closing();
    before(async () => {
      const { url, login } = await ociServer(opened, env);
      asked = isOpen ? { url } : { url, login };
    });
    after(() => opened.close());

    for (const version of ['1.1', 'dev'] as const)
      test(`of today, for version ${version}`, async (t) => {
        const { verdict, complaints } = await judge(t, version, asked);
        assert.deepEqual(verdict, complete[version], complaints.join('\n'));
      });

    test('of 2023', async (t) => {
      const { verdict, complaints } = await judgeAsOf2023(t, asked);
      assert.deepEqual(verdict, complete['2023'], complaints.join('\n'));
    });
  });
