/** Every error code of the contract (section 17): the request that provokes it here, or why none can. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { recordedSettings } from '../../bin/settings.ts';
import { assertX07Error } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { changeSettings } from '../support/settings.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { x07Api, type Asked } from '../support/x07-api.ts';
import { packX07, type X07Package } from '../support/x07-package.ts';

/** Word for word, but for the prefix of each code and what is written `_{A,B}` there. */
const section17 = `
ADVISORY_INVALID 400, ALREADY_PUBLISHED 409, AUTH_EXPIRED 401, AUTH_INVALID 401, AUTH_NEXT_INVALID 400,
AUTH_REQUIRED 401, BAD_ARCHIVE 400, BAD_MANIFEST 400, BODY_TOO_LARGE 400, CONFIG 500, CONFLICT 409,
CSRF_INVALID 403, CSRF_ORIGIN_FORBIDDEN 403, CSRF_ORIGIN_REQUIRED 403, CSRF_REQUIRED 403, DB 500, DB_CORRUPT 500,
EMAIL_UNVERIFIED 403, FORBIDDEN 403, GITHUB_HANDLE_TAKEN 409, GITHUB_OAUTH_DISABLED 400, GITHUB_OAUTH_FAILED 400,
GITHUB_OAUTH_CODE_MISSING 400, GITHUB_OAUTH_STATE_MISSING 400, GITHUB_OAUTH_STATE_INVALID 400,
GITHUB_OAUTH_STATE_EXPIRED 400, GITHUB_OAUTH_TOKEN_REQUEST_FAILED 502, GITHUB_OAUTH_TOKEN_RESPONSE_INVALID 502,
GITHUB_OAUTH_USER_REQUEST_FAILED 502, GITHUB_OAUTH_USER_RESPONSE_INVALID 502,
GITHUB_OAUTH_EMAILS_REQUEST_FAILED 502, GITHUB_OAUTH_EMAILS_RESPONSE_INVALID 502,
GITHUB_OAUTH_TOKEN_EXCHANGE_FAILED 502, INDEX_NOT_FOUND 404, INDEX_PATH_INVALID 400, INTERNAL 500,
INVALID_ARCHETYPE 400, INVALID_NAME 400, INVALID_SCALE_EVIDENCE 400, INVALID_SCALE_META 400, INVALID_VERSION 400,
META_CORRUPT 500, NOT_FOUND 404, PKG_DESCRIPTION_REQUIRED 400, PKG_DOCS_REQUIRED 400, PKG_LICENSE_REQUIRED 400,
PKG_SCHEMA_VERSION 400, PKG_X07C_COMPAT_INVALID 400, PKG_X07C_COMPAT_REQUIRED 400, PUBLISH_LINT_FAILED 400,
SCOPE_INVALID 400, STORAGE 500, TOKEN_GENERATION_FAILED 500, BOOTSTRAP_DISABLED 403`;
const listed = new Map(
  section17.split(',').map((entry): [string, number] => {
    const [code = '', status] = entry.trim().split(' ');
    return [code, Number(status)];
  }),
);

const server = await openTestServer(wholeFile);
const api = x07Api(server);
const publisher = await makeToken(server.data, { handle: 'ann', scopes: ['publish'] });
await api.publish({ name: 'there', version: '1.0.0' }, ADMIN_TOKEN);

const token = ADMIN_TOKEN;
const compat = { x07c_compat: '*' };
function publish(over: Partial<X07Package> | Buffer): Asked {
  const body = Buffer.isBuffer(over) ? over : packX07({ name: 'new', version: '1.0.0', ...over });
  return { path: 'v1/packages/publish', method: 'POST', token, body };
}
function manifest(fields: object): Asked {
  return publish({ manifest: { ...fields } });
}

/** A request; or what has to be so for the request as well, and is not afterwards; or why there is none. */
type Row = Asked | { readonly asked: Asked; readonly spoil: () => Promise<() => Promise<unknown>> } | string;

const noBrowser = 'there is no sign-in with a browser, so there are no sessions';
const noGitHub = 'there is no sign-in with GitHub, so nothing is exchanged with it';
const noDatabase = 'there is no database: the log takes its place, and its failures are STORAGE';

const rows: Readonly<Record<string, Row>> = {
  ADVISORY_INVALID: {
    path: 'v1/packages/there/1.0.0/advisories',
    token,
    json: { kind: 'broken', severity: 'low', summary: ' ' },
  },
  ALREADY_PUBLISHED: publish({ name: 'there' }),
  AUTH_EXPIRED: `${noBrowser}; an expired token is AUTH_INVALID`,
  AUTH_INVALID: { path: 'v1/account', token: 'nobody' },
  AUTH_NEXT_INVALID: noBrowser,
  AUTH_REQUIRED: { path: 'v1/account' },
  BAD_ARCHIVE: publish(Buffer.from('not a tar')),
  BAD_MANIFEST: publish({ manifestText: '{' }),
  BODY_TOO_LARGE: publish(Buffer.alloc(67_108_865)),
  BOOTSTRAP_DISABLED: { path: 'v1/admin/bootstrap', token, json: { handle: 'ann' } },
  CONFIG: 'a setting that cannot be stops the start, so no request ever meets one',
  CONFLICT: 'upstream answers so to other scale evidence for the same version, which has no endpoint here',
  CSRF_INVALID: noBrowser,
  CSRF_ORIGIN_FORBIDDEN: noBrowser,
  CSRF_ORIGIN_REQUIRED: noBrowser,
  CSRF_REQUIRED: noBrowser,
  DB: noDatabase,
  DB_CORRUPT: noDatabase,
  EMAIL_UNVERIFIED: 'accounts have no e-mail address here',
  FORBIDDEN: { path: 'v1/tokens', token: publisher },
  GITHUB_HANDLE_TAKEN: noGitHub,
  GITHUB_OAUTH_CODE_MISSING: noGitHub,
  GITHUB_OAUTH_DISABLED: { path: 'v1/auth/github/start' },
  GITHUB_OAUTH_EMAILS_REQUEST_FAILED: noGitHub,
  GITHUB_OAUTH_EMAILS_RESPONSE_INVALID: noGitHub,
  GITHUB_OAUTH_FAILED: noGitHub,
  GITHUB_OAUTH_STATE_EXPIRED: noGitHub,
  GITHUB_OAUTH_STATE_INVALID: noGitHub,
  GITHUB_OAUTH_STATE_MISSING: noGitHub,
  GITHUB_OAUTH_TOKEN_EXCHANGE_FAILED: noGitHub,
  GITHUB_OAUTH_TOKEN_REQUEST_FAILED: noGitHub,
  GITHUB_OAUTH_TOKEN_RESPONSE_INVALID: noGitHub,
  GITHUB_OAUTH_USER_REQUEST_FAILED: noGitHub,
  GITHUB_OAUTH_USER_RESPONSE_INVALID: noGitHub,
  INDEX_NOT_FOUND: { path: 'index/no/bo/nobody' },
  INDEX_PATH_INVALID: { path: 'index/no/bo/there' },
  // A bug, and there is none that we know of: what searches start from is spoiled by hand.
  INTERNAL: { asked: { path: 'v1/search' }, spoil: spoilSummaries },
  INVALID_ARCHETYPE: { path: 'v1/archetypes/%20' },
  INVALID_NAME: { path: 'v1/packages/There' },
  INVALID_SCALE_EVIDENCE: manifest({
    meta: { ...compat, scale_test_evidence_ref: 'http://x07.io/evidence/1.json' },
  }),
  INVALID_SCALE_META: manifest({ meta: { ...compat, scale_tested: 'yes' } }),
  INVALID_VERSION: { path: 'v1/packages/there/1/metadata' },
  META_CORRUPT: 'a manifest is kept as the text that was checked; damage to the log stops the start',
  NOT_FOUND: { path: 'v1/packages/nobody' },
  PKG_DESCRIPTION_REQUIRED: manifest({ description: ' ' }),
  PKG_DOCS_REQUIRED: manifest({ docs: undefined }),
  PKG_LICENSE_REQUIRED: manifest({ license: '' }),
  PKG_SCHEMA_VERSION: manifest({ schema_version: 'x07.package@9.9.9' }),
  PKG_X07C_COMPAT_INVALID: manifest({ meta: { x07c_compat: 'any' } }),
  PKG_X07C_COMPAT_REQUIRED: manifest({ meta: {} }),
  PUBLISH_LINT_FAILED: publish({ modules: { 'ext.new': '{' } }),
  SCOPE_INVALID: { path: 'v1/tokens', token, json: { scopes: ['fly'] } },
  STORAGE: { asked: publish({}), spoil: hideKey },
  TOKEN_GENERATION_FAILED: 'a machine without random numbers ends the process',
};

/** A key whose private half is nowhere. */
async function hideKey(): Promise<() => Promise<void>> {
  const { keys = [] } = await recordedSettings(server.data);
  const publicKey = Buffer.alloc(32).toString('base64');
  await changeSettings(server.data, {
    keys: [{ id: 'nowhere', ecosystem: 'x07', kind: 'ed25519', publicKey }],
  });
  return () => changeSettings(server.data, { keys });
}

/** Read at the first search only. */
async function spoilSummaries(): Promise<() => Promise<void>> {
  const path = join(server.data, 'site/=summaries/x07');
  const right = await readFile(path).catch(() => Buffer.alloc(0));
  const { events } = (await (await fetch(`${server.url}/readyz`)).json()) as { events: number };
  await writeFile(path, `=\t${events}\nx07/package/there\tthere\tnot what it should be\n`);
  return () => writeFile(path, right);
}

test('every code of the contract has a row, and no other', () => {
  assert.equal(listed.size, 54);
  assert.deepEqual(Object.keys(rows).sort(), [...listed.keys()].sort());
});

for (const [code, row] of Object.entries(rows)) {
  if (typeof row === 'string')
    test(`X07REG_${code} is never answered: ${row}`, async () => {
      const mentions = new RegExp(`'${code}'`);
      for (const [file, source] of await sources())
        // Its table has a word for the errors of every ecosystem.
        if (file !== 'refusals.ts') assert.doesNotMatch(source, mentions, file);
    });
  else
    test(`X07REG_${code} is answered with ${listed.get(code)}`, async () => {
      const [asked, spoil] = 'spoil' in row ? [row.asked, row.spoil] : [row, undefined];
      const mend = await spoil?.();
      try {
        assertX07Error(await api.ask(asked), listed.get(code) ?? 0, code);
      } finally {
        await mend?.();
      }
    });
}

async function sources(): Promise<[file: string, source: string][]> {
  const folder = new URL('../../ecosystems/x07/', import.meta.url);
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));
  return Promise.all(
    files.map(async (file): Promise<[string, string]> => [
      file,
      await readFile(new URL(file, folder), 'utf8'),
    ]),
  );
}

/** One code of our own would be one that no client knows. */
test('no code is named in the source that the contract does not know', async () => {
  // A code on its own line of a table or in an argument: capitals, at least one underscore, or one of the short ones.
  const codeLike = /(?:code: |surfaceCode: |, )'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{5,})'/g;
  const named = (await sources()).flatMap(([file, source]) =>
    // Of variables, whose names look alike.
    file === 'environment.ts' ? [] : [...source.matchAll(codeLike)].map(([, code = '']) => code),
  );
  assert.ok(named.length > 20, `${named.length} were found`);
  assert.deepEqual(
    named.filter((code) => !listed.has(code)),
    [],
  );
});
