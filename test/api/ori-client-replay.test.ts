/**
 * What the planned client sends, as far as its plan says so (contract, section 13). There is no client: neither the registry
 * nor the package half of the `ori` tool exists, so this is a reading of a plan, and no proof that a program will work.
 * Headers are those that an HTTP client of the tool's language sends.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request, type IncomingMessage } from 'node:http';
import { checksumOf, packOri } from '../support/ori-package.ts';
import { oriToken } from '../support/ori-api.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);
/** `[registries.company] url` of a project; its token is `ORI_REGISTRY_COMPANY_TOKEN`, or `ORI_REGISTRY_TOKEN` for the default. */
const base = `${server.url}/ori`;
const token = await oriToken(server.data, 'alice', 'publish');
const common = { 'user-agent': 'ori/0.5.0', accept: '*/*', 'accept-encoding': 'gzip' };

interface Raw {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Buffer,
): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${base}${path}`,
      { method, headers: { ...common, ...headers }, agent: false },
      (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => pieces.push(piece));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(pieces),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const jsonOf = ({ body }: Raw): Record<string, unknown> =>
  JSON.parse(body.toString()) as Record<string, unknown>;

/** As `reqwest` writes a form: a boundary of four times sixteen digits, headers of parts in this case and order. */
function form(archive: Buffer): { headers: Record<string, string>; body: Buffer } {
  const boundary = ['0123456789abcdef', 'fedcba9876543210', '0011223344556677', '8899aabbccddeeff'].join('-');
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="archive"; filename="acme-app-1.0.0.oripk"\r\nContent-Type: application/gzip\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), archive, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(body.byteLength),
    },
    body,
  };
}
const authorization = `Bearer ${token}`;

async function publish(name: string, archive: Buffer): Promise<Raw> {
  const { headers, body } = form(archive);
  return send('POST', `/v1/packages/${name.slice(1)}/publish`, { ...headers, authorization }, body);
}

const parser = packOri({ name: '@orilib/parser', version: '3.0.2' });
const lock = { '@orilib/parser:3.0.2': checksumOf(parser) };
const app = packOri({ name: '@acme/app', rest: '[dependencies]\n@orilib/parser = "3.0.2"', lock });

test('ori publish, whose answer is lost: it tries three times, and the last is told what the first would have been', async () => {
  assert.equal((await publish('@orilib/parser', parser)).status, 201);
  const first = await publish('@acme/app', app);
  assert.equal(first.status, 201, first.body.toString());
  for (let attempt = 2; attempt <= 3; attempt += 1) {
    const again = await publish('@acme/app', app);
    assert.equal(again.status, 200);
    assert.deepEqual(jsonOf(again), jsonOf(first));
  }
});

test('ori sync: metadata of all that the lock names at once, then archives whose checksums are compared', async () => {
  const names = ['@acme/app:1.0.0', '@orilib/parser:3.0.2'];
  const metadata = await Promise.all(
    names.map((key) =>
      send('GET', `/v1/packages/${key.slice(1).replace(':', '/')}/metadata`, { authorization }),
    ),
  );
  for (const [i, answer] of metadata.entries()) {
    assert.equal(answer.status, 200);
    const { checksum, download_url: url } = jsonOf(answer);
    const download = await send('GET', new URL(String(url)).pathname.slice('/ori'.length));
    assert.equal(
      download.headers['content-length'],
      String(download.body.byteLength),
      'for its bar of progress',
    );
    assert.equal(checksumOf(download.body), checksum, names[i]);
    // Its cache asks again with what it has.
    const again = await send('GET', `/v1/packages/${names[i]?.slice(1).replace(':', '/')}/metadata`, {
      'if-none-match': String(answer.headers.etag),
    });
    assert.equal(again.status, 304);
  }
  const [own] = metadata;
  assert.ok(own);
  assert.deepEqual((jsonOf(own)['checksums'] as { dependencies: unknown }).dependencies, lock);
});

test('ori install, search, info and audit', async () => {
  const versions = jsonOf(await send('GET', '/v1/packages/orilib/parser/versions'));
  assert.deepEqual(versions['versions'], ['3.0.2'], 'a plain list, for whoever reads no more');
  const found = jsonOf(await send('GET', '/v1/search?q=parser'));
  assert.equal(found['total'], 1);
  const audit = await send('GET', '/v1/advisories?package=%40orilib%2Fparser&version=3.0.2');
  assert.deepEqual(jsonOf(audit), { advisories: [] });
});

test('ori yank, unyank and deprecate, with and without a body', async () => {
  const at = '/v1/packages/acme/app/1.0.0';
  const json = { 'content-type': 'application/json', authorization };
  const none = { authorization, 'content-length': '0' };
  assert.deepEqual(jsonOf(await send('POST', `${at}/yank`, none)), {
    ok: true,
    name: '@acme/app',
    version: '1.0.0',
    yanked: true,
  });
  assert.equal((await send('POST', `${at}/yank`, json, Buffer.from('{"reason":"x"}'))).status, 200);
  // Without a length, as a client may that streams.
  assert.equal(
    (await send('POST', `${at}/unyank`, { ...json, 'transfer-encoding': 'chunked' }, Buffer.from('{}')))
      .status,
    200,
  );
  const message = Buffer.from('{"message":"Use 2.x"}');
  assert.equal(jsonOf(await send('POST', `${at}/deprecate`, json, message))['deprecated'], 'Use 2.x');
});
