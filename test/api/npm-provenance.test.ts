/** Provenance bundles (contract of npm, sections 4 and 11), signed by a Sigstore instance of the test's own. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import type { Asked } from '../support/asking.ts';
import { escaped, npmApi, type Refusal } from '../support/npm-api.ts';
import { integrityOf, packNpm, publishDocument, type NpmPackage } from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { aSigstoreInstance, type SigstoreInstance } from '../support/sigstore-instance.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';

const SLSA = 'https://slsa.dev/provenance/v1';
const lib = { name: '@acme/lib', version: '1.1.0' };

let sigstore: SigstoreInstance;
before(async () => {
  sigstore = await aSigstoreInstance();
});

type Statement = Record<string, unknown>;
type Context = Parameters<typeof temporaryDirectory>[0];

async function aServer(t: Context, trusted = sigstore): Promise<TestServer> {
  const path = join(await temporaryDirectory(t), 'trusted_root.json');
  await writeFile(path, trusted.trustedRoot);
  return openTestServer(t, { CAIRN_SIGSTORE_TRUSTED_ROOT: path });
}

function subjectOf(wanted: NpmPackage): { name: string; digest: { sha512: string } } {
  const sha512 = Buffer.from(integrityOf(packNpm(wanted)).slice('sha512-'.length), 'base64').toString('hex');
  return { name: `pkg:npm/${wanted.name.replace('@', '%40')}@${wanted.version}`, digest: { sha512 } };
}

function statementOf(wanted: NpmPackage, over: Statement = {}): Statement {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [subjectOf(wanted)],
    predicateType: SLSA,
    predicate: { buildDefinition: { externalParameters: { workflow: { path: 'release.yml' } } } },
    ...over,
  };
}

/** The attachment as npm sends it. @param bundle its text, or what it says. */
function attachmentOf(bundle: unknown): Record<string, unknown> {
  const data = typeof bundle === 'string' ? bundle : JSON.stringify(bundle);
  return { content_type: 'application/vnd.dev.sigstore.bundle.v0.3+json', data, length: data.length };
}

function publishing(
  wanted: NpmPackage,
  attachment: unknown,
  further: Record<string, unknown> = {},
): Asked & { readonly json: unknown } {
  const document = publishDocument(wanted);
  const attachments = document['_attachments'] as Record<string, unknown>;
  attachments[`${wanted.name}-${wanted.version}.sigstore`] = attachment;
  Object.assign(attachments, further);
  return { method: 'PUT', path: escaped(wanted.name), token: ADMIN_TOKEN, json: document };
}

interface Served {
  readonly attestations: readonly { readonly predicateType: string; readonly bundle: unknown }[];
}

for (const [name, predicateType, statementType] of [
  ['@acme/lib', SLSA, 'https://in-toto.io/Statement/v1'],
  ['lib', 'https://slsa.dev/provenance/v0.2', 'https://in-toto.io/Statement/v0.1'],
] as const)
  test(`the provenance of ${name} (${predicateType}) is served as it came`, async (t) => {
    const server = await aServer(t);
    const npm = npmApi(server);
    const wanted = { name, version: '1.1.0' };
    const bundle = await sigstore.sign(statementOf(wanted, { predicateType, _type: statementType }));
    await npm.ok(publishing(wanted, attachmentOf(bundle)));
    const dist = (await npm.packument(name)).versions['1.1.0']?.dist;
    assert.deepEqual(dist?.['attestations'], {
      url: `${server.url}/npm/-/npm/v1/attestations/${escaped(name)}@1.1.0`,
      provenance: { predicateType },
    });
    // What the client keeps of the URL is its path.
    const { pathname } = new URL((dist['attestations'] as { url: string }).url);
    const spellings = [pathname.slice('/npm/'.length)];
    for (const slash of ['/', '%2f', '%2F'])
      for (const at of ['@', '%40'])
        spellings.push(`-/npm/v1/attestations/${name.replace('@', at).replace('/', slash)}@1.1.0`);
    for (const path of spellings) {
      const served = await npm.ask({ path });
      assert.equal(served.status, 200, path);
      assert.equal(served.headers['content-type'], 'application/json');
      assert.deepEqual(JSON.parse(served.text), {
        attestations: [{ predicateType, bundle }],
      } satisfies Served);
    }
  });

test('a version without a bundle has no attestations, and is told apart from one that is unknown by nothing', async (t) => {
  const npm = npmApi(await aServer(t));
  assert.equal((await npm.publish(lib, ADMIN_TOKEN)).status, 201);
  assert.ok(!('attestations' in ((await npm.packument(lib.name)).versions['1.1.0']?.dist ?? {})));
  await npm.refuses([
    ['known version', { path: '-/npm/v1/attestations/@acme%2flib@1.1.0' }, 404],
    ['unknown version', { path: '-/npm/v1/attestations/@acme%2flib@9.9.9' }, 404],
  ]);
});

test('provenance goes with the version it is of', async (t) => {
  const npm = npmApi(await aServer(t));
  await npm.ok(publishing(lib, attachmentOf(await sigstore.sign(statementOf(lib)))));
  const { _rev } = await npm.packument(lib.name);
  const path = '-/npm/v1/attestations/@acme%2flib@1.1.0';
  assert.equal((await npm.ask({ path })).status, 200);
  await npm.ok({ method: 'DELETE', path: `@acme%2flib/-rev/${_rev}`, token: ADMIN_TOKEN });
  assert.equal((await npm.ask({ path })).status, 404);
});

test('a statement about something else is refused, and nothing is stored', async (t) => {
  const npm = npmApi(await aServer(t));
  const subject = subjectOf(lib);
  const rows: [string, unknown, RegExp][] = [
    [
      'another package',
      { subject: [{ ...subject, name: 'pkg:npm/other@1.1.0' }] },
      /is about "pkg:npm\/other/,
    ],
    [
      'another version',
      { subject: [{ ...subject, name: 'pkg:npm/%40acme/lib@1.1.1' }] },
      /this is pkg:npm\/%40acme\/lib@1\.1\.0$/,
    ],
    [
      'a name that is not escaped',
      { subject: [{ ...subject, name: 'pkg:npm/@acme/lib@1.1.0' }] },
      /is about/,
    ],
    [
      'another tarball',
      { subject: [{ ...subject, digest: { sha512: 'ab'.repeat(64) } }] },
      /another tarball/,
    ],
    [
      'a digest by another algorithm',
      { subject: [{ ...subject, digest: { sha256: 'ab'.repeat(32) } }] },
      /another tarball/,
    ],
    ['no subject', { subject: [] }, /exactly one subject/],
    ['two subjects', { subject: [subject, subject] }, /exactly one subject/],
    ['a subject that is a text', { subject: 'pkg:npm/%40acme/lib@1.1.0' }, /exactly one subject/],
    ['a subject that is null', { subject: [null] }, /is about nothing/],
    ['no subject at all', { subject: undefined }, /exactly one subject/],
    ['many subjects', { subject: Array(20_000).fill({ name: 'a' }) }, /exactly one subject/],
    ['another predicate', { predicateType: 'https://spdx.dev/Document' }, /one of the types/],
    ['a predicate type that is a list', { predicateType: [SLSA] }, /one of the types/],
    ['another kind of statement', { _type: 'https://in-toto.io/Statement/v9' }, /in-toto statement/],
  ];
  const refusals: Refusal[] = [];
  for (const [what, over, says] of rows) {
    const bundle = await sigstore.sign(statementOf(lib, over as Statement));
    refusals.push([what, publishing(lib, attachmentOf(bundle)), 422, says]);
  }
  const own = `{"__proto__":${JSON.stringify(statementOf(lib))}}`;
  for (const [what, text, says] of [
    ['a payload that is no JSON', 'hello', /statement in the provenance bundle is not JSON/],
    ['a payload that is a list', '[]', /is not an object/],
    ['a payload that is null', 'null', /is not an object/],
    ['fields in __proto__', own, /in-toto statement/],
    ['a deep payload', '['.repeat(100_000), /is not JSON/],
  ] as const)
    refusals.push([what, publishing(lib, attachmentOf(await sigstore.sign(text))), 422, says]);
  const plain = await sigstore.sign(statementOf(lib), { payloadType: 'text/plain' });
  refusals.push(['another payload type', publishing(lib, attachmentOf(plain)), 422, /of type application/]);
  await npm.refuses(refusals);
});

test('a bundle whose signature, certificate or log entry is not right is refused, and nothing is stored', async (t) => {
  const npm = npmApi(await aServer(t));
  const statement = statementOf(lib);
  const good = await sigstore.sign(statement);
  const other = await sigstore.sign(statementOf(lib, { predicate: { other: true } }));
  const foreign = await (await aSigstoreInstance()).sign(statement);
  const hourAgo = new Date(Date.now() - 3_600_000);
  const { verificationMaterial: material, dsseEnvelope: envelope } = good;
  const [entry] = material.tlogEntries;
  assert.ok(entry);
  const entryWith = (over: object): object => ({
    ...good,
    verificationMaterial: { ...material, tlogEntries: [{ ...entry, ...over }] },
  });
  const unverified = /^the attached provenance bundle does not verify against the trusted root \(/;
  const rows: [string, unknown, RegExp][] = [
    ['of another instance', foreign, unverified],
    [
      'another payload',
      { ...good, dsseEnvelope: { ...envelope, payload: other.dsseEnvelope.payload } },
      unverified,
    ],
    [
      'another signature',
      { ...good, dsseEnvelope: { ...envelope, signatures: other.dsseEnvelope.signatures } },
      unverified,
    ],
    [
      'another certificate',
      { ...good, verificationMaterial: { ...material, certificate: other.verificationMaterial.certificate } },
      unverified,
    ],
    [
      'another log entry',
      { ...good, verificationMaterial: { ...material, tlogEntries: other.verificationMaterial.tlogEntries } },
      unverified,
    ],
    ['no log entry', { ...good, verificationMaterial: { ...material, tlogEntries: [] } }, unverified],
    [
      'the same log entry twice',
      { ...good, verificationMaterial: { ...material, tlogEntries: [entry, entry] } },
      unverified,
    ],
    [
      'another time in the log',
      entryWith({ integratedTime: String(Number(entry.integratedTime) - 1) }),
      unverified,
    ],
    ['a time that is no number', entryWith({ integratedTime: 'soon' }), unverified],
    ['no promise of inclusion', entryWith({ inclusionPromise: undefined }), unverified],
    [
      'another path through the log',
      entryWith({
        inclusionProof: { ...entry.inclusionProof, hashes: [Buffer.alloc(32).toString('base64')] },
      }),
      unverified,
    ],
    [
      'another checkpoint',
      entryWith({ inclusionProof: { ...entry.inclusionProof, checkpoint: { envelope: 'a\n\nb\n' } } }),
      unverified,
    ],
    ['an entry of another kind', entryWith({ kindVersion: { kind: 'rpm', version: '0.0.1' } }), unverified],
    ['an entry whose body is no JSON', entryWith({ canonicalizedBody: 'AAAA' }), unverified],
    [
      'logged after the certificate ended',
      await sigstore.sign(statement, { certifiedAt: hourAgo }),
      unverified,
    ],
    [
      'logged before the certificate began',
      await sigstore.sign(statement, { loggedAt: hourAgo }),
      unverified,
    ],
    ['a certificate in no log', await sigstore.sign(statement, { isCertificateLogged: false }), unverified],
    [
      'a certificate that is none',
      { ...good, verificationMaterial: { ...material, certificate: { rawBytes: 'AAAA' } } },
      unverified,
    ],
    [
      'a certificate that is nested deep',
      { ...good, verificationMaterial: { ...material, certificate: { rawBytes: nested(12_000) } } },
      unverified,
    ],
    ['a key id', await sigstore.sign(statement, { keyid: 'SHA256:abc' }), /names a key/],
    [
      'a key in place of the certificate',
      { ...good, verificationMaterial: { publicKey: { hint: 'k' }, tlogEntries: [entry] } },
      /names a key/,
    ],
    [
      'a certificate that is large',
      { ...good, verificationMaterial: { ...material, certificate: { rawBytes: 'A'.repeat(40_000) } } },
      /than any honest one/,
    ],
    [
      'many log entries',
      { ...good, verificationMaterial: { ...material, tlogEntries: Array(300).fill(entry) } },
      /than any honest one/,
    ],
    [
      'many hashes',
      entryWith({ inclusionProof: { ...entry.inclusionProof, hashes: Array(10_000).fill('AAAA') } }),
      /than any honest one/,
    ],
    [
      'a number without end',
      entryWith({ inclusionProof: { ...entry.inclusionProof, treeSize: '9'.repeat(500_000) } }),
      /than any honest one/,
    ],
    [
      'a long checkpoint',
      entryWith({
        inclusionProof: { ...entry.inclusionProof, checkpoint: { envelope: '\u2014 '.repeat(50_000) } },
      }),
      /than any honest one/,
    ],
  ];
  await npm.refuses(
    rows.map(([what, bundle, says]): Refusal => [what, publishing(lib, attachmentOf(bundle)), 422, says]),
  );
  await npm.ok(publishing(lib, attachmentOf(good)));
});

/** A list in a list in a list, as far as so many bytes go. */
function nested(bytes: number): string {
  let der = Buffer.alloc(0);
  while (der.byteLength < bytes)
    der = Buffer.concat([Buffer.from([0x30, 0x82, der.byteLength >> 8, der.byteLength & 0xff]), der]);
  return der.toString('base64');
}

test('an attachment that is no bundle is refused, and nothing is stored', async (t) => {
  const npm = npmApi(await aServer(t));
  const good = await sigstore.sign(statementOf(lib));
  const { mediaType } = good;
  const is = /is not a Sigstore bundle/;
  const rows: [string, unknown, number, string | RegExp][] = [
    [
      'base64, as the tarball is',
      attachmentOf(Buffer.from(JSON.stringify(good)).toString('base64')),
      422,
      'is not JSON',
    ],
    ['no text', { data: good }, 422, 'is not a text'],
    ['nothing', {}, 422, 'is not a text'],
    ['null', null, 422, 'is not a text'],
    ['a list', attachmentOf([good]), 422, 'is not an object'],
    ['an empty object', { data: '{}' }, 422, is],
    [
      'another content type',
      { ...attachmentOf(good), content_type: 'text/plain' },
      422,
      'is not its mediaType',
    ],
    ['wrong types', attachmentOf({ mediaType, verificationMaterial: 7, dsseEnvelope: [] }), 422, is],
    [
      'texts that are objects',
      attachmentOf({
        ...good,
        dsseEnvelope: { payload: {}, payloadType: { toString: 1 }, signatures: [{}] },
      }),
      422,
      is,
    ],
    [
      'null for lists',
      attachmentOf({ ...good, verificationMaterial: { ...good.verificationMaterial, tlogEntries: null } }),
      422,
      /the trusted root|bundle/,
    ],
    [
      'a message in place of the envelope',
      attachmentOf({
        mediaType,
        verificationMaterial: good.verificationMaterial,
        messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' },
      }),
      422,
      'no DSSE envelope',
    ],
    ['everything in __proto__', { data: `{"__proto__":${JSON.stringify(good)}}` }, 422, is],
    [
      'a deep one',
      {
        data: `{"mediaType":"${mediaType}","a":${'['.repeat(900)}${']'.repeat(900)}}`,
        content_type: mediaType,
      },
      422,
      'nested deeper',
    ],
    ['a very deep one', { data: `{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}` }, 422, 'nested deeper'],
    ['a long one', { data: `{"a":"${'x'.repeat(1024 * 1024)}"}` }, 413, 'over the limit of 1048576 bytes'],
    ['a hundred megabytes', { data: 'x'.repeat(100_000_000) }, 413, 'over the limit'],
  ];
  await npm.refuses([
    ...rows.map(([what, attachment, status, says]): Refusal => [
      what,
      publishing(lib, attachment),
      status,
      says,
    ]),
    [
      'two bundles',
      publishing(lib, attachmentOf(good), { 'b.sigstore': attachmentOf(good) }),
      422,
      'more than one',
    ],
  ]);
});

test('of a field that comes twice, everybody reads the one that was verified', async (t) => {
  const npm = npmApi(await aServer(t));
  const good = await sigstore.sign(statementOf(lib));
  const text = JSON.stringify(good).replace('{', '{"dsseEnvelope":{"payload":"aGVsbG8="},');
  await npm.ok(publishing(lib, { ...attachmentOf(good), data: text }));
  const served = await npm.ask({ path: '-/npm/v1/attestations/@acme%2flib@1.1.0' });
  assert.equal(served.text.split('"dsseEnvelope"').length, 2);
  assert.deepEqual((JSON.parse(served.text) as Served).attestations[0]?.bundle, good);
});

test('without a trusted root of its own a registry trusts the public Sigstore instance, and nobody else', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const bundle = await sigstore.sign(statementOf(lib));
  await npm.refuses([
    ['of an instance of our own', publishing(lib, attachmentOf(bundle)), 422, 'trusted root'],
  ]);
});

test('a trusted root that is none is refused at start, in a sentence', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'root.json');
  const start = (): unknown => readOptions({ data: directory }, { CAIRN_SIGSTORE_TRUSTED_ROOT: path });
  assert.throws(start, /the Sigstore trusted root .*root\.json: .*no such file/);
  for (const [text, says] of [
    ['', /not a Sigstore trusted root: /],
    ['null', /not a Sigstore trusted root: /],
    ['{}', /not a Sigstore trusted root: it names no certificate authority/],
    [
      '{"certificateAuthorities":[{"certChain":{"certificates":[{"rawBytes":"AAAA"}]}}]}',
      /not a Sigstore trusted root: /,
    ],
  ] as const) {
    await writeFile(path, text);
    assert.throws(start, says, text);
  }
  await writeFile(path, sigstore.trustedRoot);
  const config = join(directory, 'config.json');
  await writeFile(config, JSON.stringify({ sigstoreTrustedRoot: path }));
  assert.equal(readOptions({ data: directory, config }, {}).sigstoreRoot, sigstore.trustedRoot);
  assert.equal(readOptions({ data: directory }, {}).sigstoreRoot, undefined);
});
