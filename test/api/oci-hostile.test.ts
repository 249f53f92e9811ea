/** What is refused (contract, section 9): with which status and code, in whose words, and with nothing kept of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../core/digest.ts';
import { eventually } from '../support/eventually.ts';
import { anImage, assertOciError, IMAGE, type Descriptor } from '../support/oci-api.ts';
import { NOWHERE, openRepositories, type Asking, type Refused } from '../support/oci-repository.ts';
import { storedState } from '../support/stored-state.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const { server } = registry;
const app = await registry.repository('acme/app');
const { manifest, layer, config } = await app.image('1.0');
const image = JSON.stringify(anImage(config, [layer]));
const asImage = { body: image, headers: { 'content-type': IMAGE } };

/** Whatever can be asked of a repository, spelled with this name. */
function everythingOf(name: string): readonly Asking[] {
  const requests: readonly (readonly [method: string, path: string, sent?: Partial<Asking>])[] = [
    ['GET', 'manifests/1.0'],
    ['GET', `manifests/${manifest.digest}`],
    ['PUT', 'manifests/1.0', asImage],
    ['PUT', `manifests/${digestOf(image)}?tag=x`, asImage],
    ['DELETE', 'manifests/1.0'],
    ['DELETE', `manifests/${manifest.digest}`],
    ['GET', `blobs/${layer.digest}`],
    ['DELETE', `blobs/${layer.digest}`],
    ['POST', 'blobs/uploads/'],
    ['POST', `blobs/uploads/?digest=${digestOf('x')}`, { body: 'x' }],
    ['POST', `blobs/uploads/?mount=${layer.digest}&from=acme/app`],
    ['GET', 'blobs/uploads/01234567-89ab-cdef-0123-456789abcdef'],
    ['PATCH', 'blobs/uploads/01234567-89ab-cdef-0123-456789abcdef', { body: 'x' }],
    ['PUT', `blobs/uploads/01234567-89ab-cdef-0123-456789abcdef?digest=${digestOf('x')}`, { body: 'x' }],
    ['DELETE', 'blobs/uploads/01234567-89ab-cdef-0123-456789abcdef'],
    ['GET', 'tags/list'],
    ['GET', 'tags/list?n=1'],
    ['GET', `referrers/${manifest.digest}`],
  ];
  return requests.map(([method, path, sent = {}]) => ({
    ...sent,
    method,
    path: `/v2/${name}/${path}`,
    headers: { ...app.headers, ...sent.headers },
  }));
}

test('what is no name of a repository is none to every request', async () => {
  const names: Readonly<Record<string, string>> = {
    'a capital': 'acme/App',
    'all capitals': 'ACME/APP',
    'a dot first': 'acme/.app',
    'a dot last': 'acme/app.',
    'two dots': 'acme/a..b',
    'three underscores': 'acme/a___b',
    'two kinds of separators': 'acme/a.-b',
    'an underscore first': 'acme/_app',
    'a dash first': '-acme/app',
    'a dash last': 'acme/app-',
    'nothing between slashes': 'acme//app',
    'a slash at the end': 'acme/app/',
    'a slash at the start': '/acme/app',
    'one folder up': 'acme/../app',
    'out of it, escaped': '..%2F..%2Fetc',
    'this folder': './acme',
    'a blank': 'acme/a%20b',
    'a plus': 'acme/a+b',
    'a tilde': 'acme/~app',
    'an equals sign, which is ours': 'acme/=index',
    'a letter of another alphabet': 'acme/%C3%BC',
    'a capital that is small elsewhere': 'acme/%E2%84%AA',
    'nothing at all, as a byte': 'acme/app%00',
    'a new line': 'acme/app%0Aevil',
    'a backslash': 'acme%5Capp',
    'what is escaped twice': 'acme%252Fapp',
    'a colon': 'acme:5000/app',
    'a digest': `acme/${layer.digest}`,
    'a character too many': `acme/${'a'.repeat(251)}`,
    'very many characters': `acme/${'a/'.repeat(2000)}a`,
    'where blobs are': 'acme/blobs',
    'where manifests are': 'manifests/app',
    'where tags are': 'acme/tags/app',
    'where uploads are': 'acme/uploads',
    'where referrers are': 'acme/x/referrers',
    'a name and where its blobs are': 'acme/app/blobs',
    "what is Cargo's below /api/v1": 'crates/app',
    "what is Pantry's": 'packages/app',
    "what is upstream's": 'users/app',
  };
  await registry.refuses(
    Object.entries(names).flatMap(([what, name]) =>
      everythingOf(name).map((asking): Refused => [
        `${what}: ${asking.method} ${asking.path}`,
        asking,
        400,
        'NAME_INVALID',
      ]),
    ),
  );
});

/** What looks like a digest, and is none that anybody here can compute. */
const noDigests: Readonly<Record<string, string>> = {
  'a digit too few': `sha256:${'a'.repeat(63)}`,
  'a digit too many': `sha256:${'a'.repeat(65)}`,
  capitals: `sha256:${'A'.repeat(64)}`,
  'the algorithm in capitals': `SHA256:${'a'.repeat(64)}`,
  'no hex': `sha256:${'g'.repeat(64)}`,
  'nothing behind the colon': 'sha256:',
  'nothing before the colon': `:${'a'.repeat(64)}`,
  words: 'sha256:totallywrong',
  'a longer algorithm with a shorter digest': `sha512:${'a'.repeat(64)}`,
  'a shorter algorithm with a longer digest': `sha256:${'a'.repeat(128)}`,
  'an algorithm of the specification': `sha384:${'a'.repeat(96)}`,
  'an old algorithm': `md5:${'a'.repeat(32)}`,
  'two algorithms': `sha256+b64:${'a'.repeat(64)}`,
  'a blank behind it': `sha256:${'a'.repeat(64)}%20`,
  'a new line behind it': `sha256:${'a'.repeat(64)}%0A`,
  'a path behind it': `sha256:${'a'.repeat(64)}%2F..%2F..%2Fx`,
  'a path before it': `..%2Fsha256:${'a'.repeat(64)}`,
};

test('what is no digest is refused wherever one is needed, and is just not there where a manifest is read', async () => {
  const open = await app.upload();
  await app.at('PATCH', open, { body: 'kept' });
  await registry.refuses(
    Object.entries(noDigests).flatMap(([what, digest]): Refused[] => [
      [what, app.to('GET', `blobs/${digest}`), 400, 'DIGEST_INVALID', /use sha256: with 64/],
      [what, app.to('DELETE', `blobs/${digest}`), 400, 'DIGEST_INVALID'],
      [what, app.to('GET', `referrers/${digest}`), 400, 'DIGEST_INVALID'],
      [what, app.to('PUT', `manifests/${digest}`, asImage), 400, 'DIGEST_INVALID'],
      [what, app.to('POST', `blobs/uploads/?digest=${digest}`, { body: 'x' }), 400, 'DIGEST_INVALID'],
      [what, { ...app.to('PUT', ''), path: `${open}?digest=${digest}` }, 400, 'DIGEST_INVALID'],
      [
        what,
        { ...app.to('PUT', '', { body: 'x' }), path: `${open}?digest=${digest}` },
        400,
        'DIGEST_INVALID',
      ],
      [what, app.to('GET', `manifests/${digest}`), 404, 'MANIFEST_UNKNOWN'],
      [what, app.to('DELETE', `manifests/${digest}`), 404, 'MANIFEST_UNKNOWN'],
    ]),
  );
  await registry.refuses([
    ['no digest at all', { ...app.to('PUT', ''), path: open }, 400, 'DIGEST_INVALID'],
    ['one without a word', { ...app.to('PUT', ''), path: `${open}?digest=` }, 400, 'DIGEST_INVALID'],
    ['one of nothing', app.to('POST', 'blobs/uploads/?digest=', { body: 'x' }), 400, 'DIGEST_INVALID'],
  ]);
  // All these have left the upload as it was.
  const end = await app.at('PUT', `${open}?digest=${digestOf('kept')}`);
  assert.equal(end.status, 201, end.text);
});

test('what is no tag cannot be pushed, and is just not there to be read', async () => {
  const noTags: Readonly<Record<string, string>> = {
    'as the official suite has it': '.INVALID_MANIFEST_NAME',
    'a character too many': 'a'.repeat(129),
    'very many': 'a'.repeat(10_000),
    'a dash first': '-1',
    'a plus': '1.0+build',
    'a blank': 'a%20b',
    'a slash': 'a%2Fb',
    'one folder up': '%2E%2E',
    'a letter of another alphabet': '%C3%BC',
    'an equals sign': '=index',
    'a new line': 'a%0A',
    'nothing, as a byte': 'a%00',
    at: 'latest@',
  };
  await registry.refuses(
    Object.entries(noTags).flatMap(([what, tag]): Refused[] => [
      [
        what,
        app.to('PUT', `manifests/${tag}`, asImage),
        400,
        'MANIFEST_INVALID',
        /is not a tag: use letters/,
      ],
      [
        what,
        app.to('PUT', `manifests/${digestOf(image)}?tag=good&tag=${tag.replace('+', '%2B')}`, asImage),
        400,
        'MANIFEST_INVALID',
      ],
      [what, app.to('GET', `manifests/${tag}`), 404, 'MANIFEST_UNKNOWN'],
      [what, app.to('DELETE', `manifests/${tag}`), 404, 'MANIFEST_UNKNOWN'],
    ]),
  );
  const head = await app.ask('HEAD', 'manifests/.INVALID_MANIFEST_NAME');
  assert.deepEqual([head.status, head.text], [404, '']);
  const many = Array.from({ length: 33 }, (_, i) => `tag=t${i}`).join('&');
  await registry.refuses([
    [
      '33 tags',
      app.to('PUT', `manifests/${digestOf(image)}?${many}`, asImage),
      414,
      'UNSUPPORTED',
      /33 tags at once: use 32 at most/,
    ],
  ]);
});

test('what is not there is not there, in the word for it', async () => {
  const nowhere = await registry.repository('acme/nowhere');
  const other = await registry.repository('acme/other');
  const theirs = await other.upload();
  const id = String(theirs.split('/').at(-1));
  const gone = '01234567-89ab-cdef-0123-456789abcdef';
  const uploads = (what: string, path: string): Refused[] =>
    ['GET', 'PATCH', 'PUT', 'DELETE'].map((method) => [
      `${what}: ${method}`,
      app.to(
        method,
        `${path}?digest=${digestOf('x')}`,
        method === 'GET' || method === 'DELETE' ? {} : { body: 'x' },
      ),
      404,
      'BLOB_UPLOAD_UNKNOWN',
    ]);
  await registry.refuses([
    ['a blob', app.to('GET', `blobs/${NOWHERE}`), 404, 'BLOB_UNKNOWN', /no blob sha256:0+ in acme\/app/],
    ['a blob of no repository', nowhere.to('GET', `blobs/${NOWHERE}`), 404, 'BLOB_UNKNOWN'],
    ['a blob of another', nowhere.to('GET', `blobs/${layer.digest}`), 404, 'BLOB_UNKNOWN'],
    ['a manifest', app.to('GET', `manifests/${NOWHERE}`), 404, 'MANIFEST_UNKNOWN', /no manifest "sha256:0+"/],
    ['a tag', app.to('GET', 'manifests/2.0'), 404, 'MANIFEST_UNKNOWN', /no tag "2.0" in acme\/app/],
    ['a tag in capitals', app.to('GET', 'manifests/V1'), 404, 'MANIFEST_UNKNOWN'],
    ['a tag of no repository', nowhere.to('GET', 'manifests/1.0'), 404, 'NAME_UNKNOWN', /acme\/nowhere/],
    ['a manifest of no repository', nowhere.to('GET', `manifests/${NOWHERE}`), 404, 'NAME_UNKNOWN'],
    ['tags of no repository', nowhere.to('GET', 'tags/list'), 404, 'NAME_UNKNOWN'],
    ['pages of no repository', nowhere.to('GET', 'tags/list?n=1'), 404, 'NAME_UNKNOWN'],
    ...uploads('an upload', `blobs/uploads/${gone}`),
    ...uploads('an upload of another repository', `blobs/uploads/${id}`),
    ...uploads('what is no upload', 'blobs/uploads/x'),
    ...uploads('an upload in capitals', `blobs/uploads/${id.toUpperCase()}`),
    ...uploads('a path', 'blobs/uploads/..%2F..%2Fkeys'),
    ...uploads('its record', `blobs/uploads/${id}.json`),
  ]);
  assert.equal((await other.at('GET', theirs)).status, 204);
});

test('a chunk that does not go on where the upload ends is refused, and the upload stands as it did', async () => {
  const [empty, begun] = [await app.upload(), await app.upload()];
  await app.at('PATCH', begun, { body: '0123456789' });
  const chunks = (location: string, range: string, ranges: readonly string[]): Refused[] =>
    ranges.flatMap((sent) =>
      ['PATCH', `PUT ?digest=${digestOf('0123456789')}`].map((how): Refused => {
        const [method = '', query = ''] = how.split(' ');
        const [first = 0, last = 0] = sent
          .replace(/^bytes /, '')
          .split('-')
          .map(Number);
        return [
          `${method} ${sent} after ${range}`,
          {
            ...app.to(method, '', {
              body: Buffer.alloc(last - first + 1, 'x'),
              headers: { 'content-range': sent },
            }),
            path: location + query,
          },
          416,
          'BLOB_UPLOAD_INVALID',
          /goes on there, not at/,
          { location, range, 'docker-upload-uuid': String(location.split('/').at(-1)) },
        ];
      }),
    );
  await registry.refuses([
    ...chunks(empty, '0-0', ['1-9', '22-41', 'bytes 5-5', '999999999999998-999999999999999']),
    ...chunks(begun, '0-9', ['0-9', '9-12', '11-12', '0-0', '20-29']),
  ]);
  for (const [location, bytes] of [
    [empty, ''],
    [begun, '0123456789'],
  ] as const)
    assert.equal((await app.at('PUT', `${location}?digest=${digestOf(bytes)}`)).status, 201);
});

test('lengths that disagree are refused, and what came is dropped', async () => {
  const begun = await app.upload();
  await app.at('PATCH', begun, { body: '01234' });
  const sent = (what: string, range: string, body: string | readonly Buffer[]): Refused[] => [
    [
      `PATCH: ${what}`,
      { ...app.to('PATCH', '', { body, headers: { 'content-range': range } }), path: begun },
      400,
      'SIZE_INVALID',
      /bytes were announced, and (?:\d+|more) came/,
    ],
    [
      `PUT: ${what}`,
      {
        ...app.to('PUT', '', { body, headers: { 'content-range': range } }),
        path: `${begun}?digest=${digestOf('01234')}`,
      },
      400,
      'SIZE_INVALID',
    ],
  ];
  const spelled = (what: string, range: string): Refused => [
    what,
    { ...app.to('PATCH', '', { body: 'x', headers: { 'content-range': range } }), path: begun },
    400,
    'BLOB_UPLOAD_INVALID',
    /use FIRST-LAST, both included/,
  ];
  await registry.refuses([
    ...sent('more than the range says', '5-9', 'sixsix'),
    ...sent('less than the range says', '5-9', 'four'),
    ...sent('more, and no length', '5-9', [Buffer.from('six'), Buffer.from('six')]),
    ...sent('less, and no length', '5-9', [Buffer.from('fo'), Buffer.from('ur')]),
    [
      'in one request',
      app.to('POST', `blobs/uploads/?digest=${digestOf('x')}`, {
        body: 'x',
        headers: { 'content-range': '0-5' },
      }),
      400,
      'SIZE_INVALID',
    ],
    spelled('backwards', '9-5'),
    spelled('a word', 'all'),
    spelled('nothing', ' '),
    spelled('no end', '5-'),
    spelled('no beginning', '-5'),
    spelled('a number that is none', '5-1e9'),
    spelled('more digits than there are disks', `5-${'9'.repeat(16)}`),
    spelled('two', '5-6,7-8'),
  ]);
  assert.equal((await app.at('PUT', `${begun}?digest=${digestOf('01234')}`)).status, 201);
});

test('bytes that are not what their digest says are dropped, however they came', async () => {
  const { uploads, ...before } = await storedState(server);
  const { digest: wrong } = { digest: digestOf('something else') };
  const wrong512 = digestOf('something else', 'sha512');
  for (const digest of [wrong, wrong512, NOWHERE]) {
    const query = `?digest=${digest}`;
    const refused = [
      await app.ask('POST', `blobs/uploads/${query}`, { body: 'bytes' }),
      await app.ask('POST', `blobs/uploads/${query}`, { body: [Buffer.from('by'), Buffer.from('tes')] }),
      await app.ask('POST', `blobs/uploads/${query}`),
      await app.at('PUT', (await app.upload()) + query, { body: 'bytes' }),
      await app.at('PUT', (await app.upload()) + query),
    ];
    const streamed = await app.upload();
    await app.at('PATCH', streamed, { body: [Buffer.from('bytes')] });
    refused.push(await app.at('PUT', streamed + query));
    const pieces = await app.upload();
    await app.at('PATCH', pieces, { body: 'by', headers: { 'content-range': '0-1' } });
    const last = { body: 'tes', headers: { 'content-range': '2-4' } };
    refused.push(await app.at('PUT', pieces + query, last));
    for (const answer of refused) {
      assertOciError(answer, 400, 'DIGEST_INVALID', /the bytes are sha(?:256|512):/);
      assert.ok(answer.text.includes(digest), 'it says what was asked for');
    }
    assertOciError(await app.ask('GET', `blobs/${digest}`), 404, 'BLOB_UNKNOWN');
    // The upload is over: with such bytes there is nothing to be done.
    for (const location of [streamed, pieces])
      assertOciError(await app.at('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
  }
  assert.deepEqual(await storedState(server), { ...before, uploads });
});

test('a blob comes as it is, and not packed for the way', async () => {
  const location = await app.upload();
  const packed = (encoding: string): Refused[] => {
    const sent = { body: gzipSync('bytes'), headers: { 'content-encoding': encoding } };
    const chunked = { ...sent, body: [sent.body] };
    const query = `?digest=${digestOf('bytes')}`;
    return [sent, chunked].flatMap((one): Refused[] => [
      [encoding, app.to('POST', `blobs/uploads/${query}`, one), 400, 'UNSUPPORTED', /Content-Encoding/],
      [encoding, { ...app.to('PATCH', '', one), path: location }, 400, 'UNSUPPORTED'],
      [encoding, { ...app.to('PUT', '', one), path: location + query }, 400, 'UNSUPPORTED'],
    ]);
  };
  await registry.refuses([...packed('gzip'), ...packed('br'), ...packed('zstd')]);
  const plain = { body: 'bytes', headers: { 'content-encoding': 'identity' } };
  const end = await app.at('PUT', `${location}?digest=${digestOf('bytes')}`, plain);
  assert.equal(end.status, 201, end.text);
});

test('methods that mean nothing at a path are refused, with those that do', async () => {
  const rows: readonly (readonly [path: string, allowed: string, refused: readonly string[]])[] = [
    ['/v2/', 'GET, HEAD', ['POST', 'PUT', 'DELETE', 'PATCH']],
    ['/v2/_catalog', 'GET, HEAD', ['POST', 'PUT', 'DELETE']],
    ['/v2/acme/app/tags/list', 'GET, HEAD', ['POST', 'PUT', 'DELETE']],
    [`/v2/acme/app/referrers/${manifest.digest}`, 'GET, HEAD', ['PUT', 'DELETE']],
    ['/v2/acme/app/manifests/1.0', 'GET, HEAD, PUT, DELETE', ['POST', 'PATCH']],
    [`/v2/acme/app/blobs/${layer.digest}`, 'GET, HEAD, DELETE', ['POST', 'PUT', 'PATCH']],
    ['/v2/acme/app/blobs/uploads/', 'POST', ['GET', 'PUT', 'DELETE', 'PATCH']],
    [`/v2/acme/app/blobs/uploads/${manifest.digest}`, 'GET, HEAD, PATCH, PUT, DELETE', ['POST']],
  ];
  await registry.refuses(
    rows.flatMap(([path, allow, refused]) =>
      refused.map((method): Refused => [
        `${method} ${path}`,
        { ...app.to(method, ''), path },
        405,
        'UNSUPPORTED',
        /is not possible here/,
        { allow },
      ]),
    ),
  );
});

test('paths that mean nothing are refused as well', async () => {
  const paths = [
    '/v2/acme',
    '/v2/acme/app',
    '/v2/acme/app/',
    '/v2/acme/app/manifests',
    '/v2/acme/app/manifests/',
    '/v2/acme/app/blobs',
    '/v2/acme/app/blobs/',
    '/v2/acme/app/tags',
    '/v2/acme/app/tags/list/',
    '/v2/acme/app/tags/list/x',
    '/v2/acme/app/referrers/',
    '/v2/manifests/1.0',
    '/v2/_catalog/',
    '/v2/_oci/ext/discover',
    '/v2/acme/app%2Fmanifests%2F1.0',
    '/v2/acme/app/manifests/1.0/more',
  ];
  await registry.refuses([
    ...paths.map((path): Refused => [
      path,
      { ...app.to('GET', ''), path },
      404,
      'UNSUPPORTED',
      /nothing is at/,
    ]),
    ...['%', '%zz', '%C3', '%E0%A4%A'].map((text): Refused => [
      text,
      app.to('GET', `manifests/${text}`),
      400,
      'UNSUPPORTED',
      /not valid percent-encoding/,
    ]),
  ]);
});

test('who may not is told so: with a challenge where credentials would help, without where they would not', async () => {
  const [asNobody, asStranger, badly] = [
    {},
    (await registry.repository('stranger/x')).headers,
    { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
  ];
  const begun = await app.upload();
  const ofApp = everythingOf('acme/app').map((asking) =>
    asking.path.includes('/uploads/0123')
      ? { ...asking, path: asking.path.replace(/uploads\/[^?]*/, `uploads/${begun.split('/').at(-1)}`) }
      : asking,
  );
  const writes = ofApp.filter(({ method, path }) => method !== 'GET' || path.includes('/uploads/'));
  const secret = await registry.repository('acme/secret');
  await secret.image('1.0', 'secret');
  await registry.hide(secret);
  const nowhere = everythingOf('acme/nowhere');
  const asked = [...writes, ...everythingOf('acme/secret'), ...nowhere];
  await registry.refuses(
    asked.flatMap(({ headers: { 'content-type': type } = {}, ...asking }): Refused[] => {
      const [name] = /(?<=^\/v2\/)[^/]+\/[^/]+/.exec(asking.path) ?? [];
      const what = `${asking.method} ${asking.path}`;
      const as = (headers: object): Asking => ({
        ...asking,
        headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
      });
      const actions = { GET: 'pull', DELETE: 'delete' }[asking.method ?? ''] ?? 'pull,push';
      // Whoever may move a tag may take it away.
      const ofTag = asking.method === 'DELETE' && asking.path.endsWith('/manifests/1.0');
      const wanted = asking.path.includes('/uploads/') ? 'pull,push' : ofTag ? 'push,delete' : actions;
      const scope = new RegExp(`,scope="repository:${name}:${wanted}"`);
      return [
        [what, as(asNobody), 401, 'UNAUTHORIZED', /say who you are/, { 'www-authenticate': scope }],
        [what, as(badly), 401, 'UNAUTHORIZED', /./, { 'www-authenticate': /,error="invalid_token"$/ }],
        [what, as(asStranger), 403, 'DENIED', /stranger may not (?:pull|push|delete) /],
      ];
    }),
  );
  assert.equal((await app.at('DELETE', begun)).status, 204);
});

test('a client that hangs up in what cannot be gone on with leaves nothing behind', async (t) => {
  const before = await storedState(server);
  const ways: readonly (readonly [line: string, framing: readonly string[]])[] = [
    [
      `POST /v2/acme/app/blobs/uploads/?digest=${digestOf('x'.repeat(5000))} HTTP/1.1`,
      ['content-length: 5000'],
    ],
    [`POST /v2/acme/app/blobs/uploads/?digest=${digestOf('x')} HTTP/1.1`, ['transfer-encoding: chunked']],
    ['PUT /v2/acme/app/manifests/half HTTP/1.1', ['content-length: 5000', `content-type: ${IMAGE}`]],
  ];
  for (const [line, framing] of ways) {
    const socket = app.connect(t, [line, ...framing]);
    socket.write(framing[0]?.startsWith('transfer') ? '3\r\nxxx\r\n' : 'xxx');
    await eventually(async () => {
      const { incoming, uploads } = await storedState(server);
      assert.notEqual(incoming.length + uploads.length, before.incoming.length + before.uploads.length);
    });
    socket.destroy();
    await eventually(async () => assert.deepEqual(await storedState(server), before, line));
  }
});

test("a length that is not what comes is the connection's own trouble", async (t) => {
  const location = await app.upload();
  const socket = app.connect(t, [`PATCH ${location} HTTP/1.1`, 'content-length: 5']);
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  // What is over is read as the next request, and is none: after that there is nobody to answer.
  socket.write('12345and this');
  await eventually(async () => assert.match(received, /HTTP\/1\.1 400 /));
  await eventually(async () => assert.equal((await app.at('GET', location)).headers['range'], '0-4'));
  for (const [what, framing] of Object.entries({
    'a length and no length': ['content-length: 5', 'transfer-encoding: chunked'],
    'two lengths': ['content-length: 5', 'content-length: 6'],
    'no number': ['content-length: five'],
    'less than nothing': ['content-length: -5'],
  })) {
    const other = app.connect(t, [`PATCH ${location} HTTP/1.1`, ...framing]);
    let answer = '';
    other.setEncoding('latin1').on('data', (text: string) => (answer += text));
    other.write('5\r\nsmugg\r\n0\r\n\r\n');
    await eventually(async () => assert.match(answer, /^HTTP\/1\.1 400 /, what));
  }
  assert.equal((await app.at('GET', location)).headers['range'], '0-4');
  assert.equal((await app.at('DELETE', location)).status, 204);
});

test('an error of a HEAD has the status of that of a GET, and no body', async () => {
  for (const path of [
    `blobs/${NOWHERE}`,
    'blobs/x',
    `manifests/${NOWHERE}`,
    'manifests/none',
    'manifests/.INVALID_MANIFEST_NAME',
    `referrers/x`,
    'tags/list?n=x',
    'blobs/uploads/none',
  ]) {
    const [get, head] = [await app.ask('GET', path), await app.ask('HEAD', path)];
    assert.ok(get.status >= 400, path);
    assert.deepEqual([head.status, head.text], [get.status, ''], path);
    assert.equal(head.headers['content-type'], 'application/json');
    assert.equal(head.headers['content-length'], get.headers['content-length']);
  }
});

/** Says of each blob where it is: to see that these tests leave the image as it was. */
test('after all of this everything is as it was', async () => {
  for (const { digest } of [layer, config] satisfies Descriptor[])
    assert.equal((await app.ask('GET', `blobs/${digest}`)).status, 200);
  assert.equal((await app.ask('HEAD', 'manifests/1.0')).headers['docker-content-digest'], manifest.digest);
  const { tags } = JSON.parse((await app.ask('GET', 'tags/list')).text) as { tags: string[] };
  assert.deepEqual(tags, ['1.0']);
});
