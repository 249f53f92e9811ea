/** Pushing blobs (contract, section 4): every way that clients have, and where an upload stands after each step. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type DigestAlgorithm } from '../../core/digest.ts';
import { eventually } from '../support/eventually.ts';
import type { Answer } from '../support/http.ts';
import { assertOciError } from '../support/oci-api.ts';
import {
  answerTo,
  assertStands,
  assertTaken,
  openRepositories,
  type OciRepository,
} from '../support/oci-repository.ts';
import { storedState } from '../support/stored-state.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const { server } = registry;
const app = await registry.repository('acme/app');

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

test('an upload that is opened says where it goes on, and that there is nothing yet', async () => {
  const ways: readonly (readonly [what: string, path: string, headers?: Record<string, string>])[] = [
    ['as it should be', 'blobs/uploads/'],
    ['without the last slash', 'blobs/uploads'],
    ['as crane does', 'blobs/uploads/', { 'content-type': 'application/json' }],
    ['with what nobody knows', 'blobs/uploads/?origin=elsewhere.example&digest-algorithm=sha512'],
  ];
  for (const [what, path, headers = {}] of ways) {
    const answer = await app.ask('POST', path, { headers });
    const location = String(answer.headers.location);
    assert.match(location, new RegExp(`^/v2/acme/app/blobs/uploads/${uuid.source}$`), what);
    assertStands(answer, 202, location, '0-0');
    for (const method of ['GET', 'HEAD']) assertStands(await app.at(method, location), 204, location, '0-0');
  }
});

/** Each pushes the bytes, and gives the last answer. */
type Way = (to: OciRepository, bytes: Buffer, digest: string) => Promise<Answer>;

/** In pieces of these bytes; the last with the PUT where that is said. */
async function inPieces(
  to: OciRepository,
  bytes: Buffer,
  digest: string,
  { size, spell, lastWithPut }: { size: number; spell: (range: string) => string; lastWithPut: boolean },
): Promise<Answer> {
  const location = await to.upload();
  let sent = 0;
  for (; bytes.length - sent > (lastWithPut ? size : 0); sent += size) {
    const body = bytes.subarray(sent, sent + size);
    const end = sent + body.length - 1;
    const headers = { 'content-range': spell(`${sent}-${end}`) };
    assertStands(await to.at('PATCH', location, { headers, body }), 202, location, `0-${end}`);
    assertStands(await to.at('GET', location), 204, location, `0-${end}`);
  }
  const rest = bytes.subarray(sent);
  const headers = rest.length > 0 ? { 'content-range': spell(`${sent}-${bytes.length - 1}`) } : {};
  return to.at('PUT', `${location}?digest=${digest}`, { headers, body: rest });
}

const ways: Readonly<Record<string, Way>> = {
  'one request': (to, body, digest) => to.ask('POST', `blobs/uploads/?digest=${digest}`, { body }),
  'one request, its digest escaped': (to, body, digest) =>
    to.ask('POST', `blobs/uploads?digest=${encodeURIComponent(digest)}`, { body }),
  'one request without a length': (to, bytes, digest) =>
    to.ask('POST', `blobs/uploads/?digest=${digest}`, { body: [bytes] }),
  'one request with a range': (to, body, digest) =>
    to.ask('POST', `blobs/uploads/?digest=${digest}`, {
      body,
      headers: body.length > 0 ? { 'content-range': `0-${body.length - 1}` } : {},
    }),
  'POST and PUT': async (to, body, digest) => to.at('PUT', `${await to.upload()}?digest=${digest}`, { body }),
  'POST and PUT without a length': async (to, bytes, digest) =>
    to.at('PUT', `${await to.upload()}?digest=${digest}`, {
      body: [bytes.subarray(0, 3), bytes.subarray(3)],
    }),
  'as docker: a stream, and an empty PUT': async (to, bytes, digest) => {
    const location = await to.upload();
    const whole = `0-${Math.max(0, bytes.length - 1)}`;
    assertStands(await to.at('PATCH', location, { body: [bytes] }), 202, location, whole);
    return to.at('PUT', `${location}?digest=${digest}`);
  },
  'as one client: an empty PUT that repeats the range': async (to, bytes, digest) => {
    const location = await to.upload();
    await to.at('PATCH', location, { body: bytes });
    const headers = { 'content-range': `0-${Math.max(0, bytes.length - 1)}`, 'content-length': '0' };
    return to.at('PUT', `${location}?digest=${digest}`, { headers });
  },
  'many streams, one after the other': async (to, bytes, digest) => {
    const location = await to.upload();
    for (const body of [bytes.subarray(0, 1), bytes.subarray(1, 2), bytes.subarray(2)])
      assert.equal((await to.at('PATCH', location, { body: [body] })).status, 202);
    return to.at('PUT', `${location}?digest=${digest}`, { body: Buffer.alloc(0) });
  },
  'pieces, and an empty PUT': (to, bytes, digest) =>
    inPieces(to, bytes, digest, { size: 70_000, spell: (range) => range, lastWithPut: false }),
  'pieces, the last with the PUT': (to, bytes, digest) =>
    inPieces(to, bytes, digest, { size: 70_000, spell: (range) => range, lastWithPut: true }),
  'pieces whose ranges have a unit': (to, bytes, digest) =>
    inPieces(to, bytes, digest, { size: 100_001, spell: (range) => `bytes ${range}`, lastWithPut: true }),
  'pieces whose ranges have a total': (to, bytes, digest) =>
    inPieces(to, bytes, digest, {
      size: 100_001,
      spell: (range) => ` bytes=${range}/${bytes.length}`,
      lastWithPut: false,
    }),
  'pieces of an unknown total': (to, bytes, digest) =>
    inPieces(to, bytes, digest, { size: 100_001, spell: (range) => `${range}/*`, lastWithPut: false }),
};

const contents: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'an empty object': Buffer.from('{}'),
  '300 KB': Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251)),
};

for (const [what, way] of Object.entries(ways))
  test(`a blob comes as ${what}`, async () => {
    for (const algorithm of ['sha256', 'sha512'] as const satisfies readonly DigestAlgorithm[])
      for (const bytes of Object.values(contents)) {
        // A repository of its own: nothing that came another way can stand in for it.
        const to = await registry.repository(`acme/way-${Object.keys(ways).indexOf(what)}`);
        const digest = digestOf(bytes, algorithm);
        assertOciError(await to.ask('GET', `blobs/${digest}`), 404, 'BLOB_UNKNOWN');
        const before = (await storedState(server)).uploads.filter((path) => path.includes('/open/'));
        await assertTaken(await way(to, bytes, digest), to, bytes, digest);
        const after = (await storedState(server)).uploads.filter((path) => path.includes('/open/'));
        assert.deepEqual(after, before, 'the upload is over, and nothing of it is left');
      }
  });

test('the location of the beginning is good until the end, as the official suite has it', async () => {
  const [first, second] = [Buffer.alloc(22, 'a'), Buffer.alloc(20, 'b')];
  const digest = digestOf(Buffer.concat([first, second]));
  const location = await app.upload();
  const chunk = { headers: { 'content-range': '0-21' }, body: first };
  assertStands(await app.at('PATCH', location, chunk), 202, location, '0-21');
  const again = await app.at('PATCH', location, chunk);
  assertOciError(again, 416, 'BLOB_UPLOAD_INVALID');
  assertStands(await app.at('GET', location), 204, location, '0-21');
  const rest = { headers: { 'content-range': '22-41' }, body: second };
  assertStands(await app.at('PATCH', location, rest), 202, location, '0-41');
  const end = await app.at('PUT', `${location}?digest=${digest}`);
  await assertTaken(end, app, Buffer.concat([first, second]), digest);
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE'])
    assertOciError(
      await app.at(method, `${location}${method === 'PUT' ? `?digest=${digest}` : ''}`),
      404,
      'BLOB_UPLOAD_UNKNOWN',
    );
});

test('an upload that is given up is gone, with all that had come', async () => {
  const before = await storedState(server);
  const location = await app.upload();
  await app.at('PATCH', location, { body: 'some bytes' });
  const answer = await app.at('DELETE', location);
  assert.deepEqual([answer.status, answer.text], [204, '']);
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE'])
    assertOciError(
      await app.at(method, `${location}?digest=${digestOf('some bytes')}`),
      404,
      'BLOB_UPLOAD_UNKNOWN',
    );
  assert.deepEqual(await storedState(server), before);
});

test('what a client sent before it hung up is there, and it goes on from there', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 250_000 }, (_, i) => (i * 17) % 253));
  const framings: readonly (readonly string[])[] = [
    ['transfer-encoding: chunked'],
    [`content-length: ${bytes.length}`],
    [`content-length: ${bytes.length}`, `content-range: 0-${bytes.length - 1}`],
  ];
  for (const [i, framing] of framings.entries()) {
    const repository = await registry.repository(`acme/hung-up-${i}`);
    const location = await repository.upload();
    const socket = repository.connect(t, [`PATCH ${location} HTTP/1.1`, ...framing]);
    const part = bytes.subarray(0, 100_000);
    if (i === 0) socket.write(`${part.length.toString(16)}\r\n`);
    await new Promise((sent) => socket.write(part, sent));
    socket.destroy();
    await eventually(async () =>
      assert.equal((await repository.at('GET', location)).headers['range'], '0-99999'),
    );
    const rest = { headers: { 'content-range': '100000-249999' }, body: bytes.subarray(100_000) };
    // The server hears of it a moment later; until then the upload is busy.
    const answer = await eventually(async () => {
      const went = await repository.at('PATCH', location, rest);
      assert.equal(went.status, 202, went.text);
      return went;
    });
    assertStands(answer, 202, location, '0-249999');
    const digest = digestOf(bytes);
    const end = await repository.at('PUT', `${location}?digest=${digest}`);
    await assertTaken(end, repository, bytes, digest);
  }
});

/** The server works on it: of what is not where it goes on, something else is said until then. */
function untilBusy(location: string): Promise<void> {
  const elsewhere = { headers: { 'content-range': '7-7' }, body: 'x' };
  return eventually(async () =>
    assertOciError(await app.at('PATCH', location, elsewhere), 416, 'BLOB_UPLOAD_INVALID', /another request/),
  );
}

test('two requests at once cannot both add to an upload: one is told to wait', async () => {
  const location = await app.upload();
  const first = app.begin('PATCH', location);
  const answer = answerTo(first);
  first.write('first');
  await untilBusy(location);
  for (const [method, path, sent] of [
    ['PATCH', location, { body: 'second' }],
    ['PATCH', location, { body: 'second', headers: { 'content-range': '5-10' } }],
    ['PUT', `${location}?digest=${digestOf('second')}`, { body: 'second' }],
    ['PUT', `${location}?digest=${digestOf('first')}`, {}],
  ] as const) {
    const refused = await app.at(method, path, sent);
    assertOciError(refused, 416, 'BLOB_UPLOAD_INVALID', /another request works on the upload/);
    assert.deepEqual([refused.headers.location, refused.headers['range']], [location, '0-0']);
  }
  first.end(' and last');
  assertStands(await answer, 202, location, '0-13');
  const digest = digestOf('first and last');
  await assertTaken(
    await app.at('PUT', `${location}?digest=${digest}`),
    app,
    Buffer.from('first and last'),
    digest,
  );
});

test('an upload can be given up while somebody adds to it', async () => {
  const before = await storedState(server);
  const location = await app.upload();
  const outgoing = app.begin('PATCH', location);
  const answer = answerTo(outgoing);
  outgoing.write('bytes');
  await untilBusy(location);
  assert.equal((await app.at('DELETE', location)).status, 204);
  outgoing.end('more');
  assertOciError(await answer, 404, 'BLOB_UPLOAD_UNKNOWN');
  assert.deepEqual(await storedState(server), before);
});

test('many that push one blob at once all have it', async () => {
  const bytes = Buffer.alloc(200_000, 'race');
  const digest = digestOf(bytes);
  const repositories = await Promise.all(
    Array.from({ length: 12 }, (_, i) => registry.repository(`acme/race-${i % 3}`)),
  );
  const answers = await Promise.all(
    repositories.map(async (to, i) =>
      i % 2 === 0
        ? to.ask('POST', `blobs/uploads/?digest=${digest}`, { body: bytes })
        : to.at('PUT', `${await to.upload()}?digest=${digest}`, { body: bytes }),
    ),
  );
  for (const [i, answer] of answers.entries()) {
    const to = repositories[i];
    assert.ok(to);
    await assertTaken(answer, to, bytes, digest);
  }
});

test('of two that finish one upload at once, one does', async () => {
  for (let round = 0; round < 10; round += 1) {
    const bytes = Buffer.from(`round ${round}`);
    const digest = digestOf(bytes);
    const location = await app.upload();
    await app.at('PATCH', location, { body: bytes });
    const answers = await Promise.all([1, 2].map(() => app.at('PUT', `${location}?digest=${digest}`)));
    const [taken, other] = answers.sort((a, b) => a.status - b.status);
    assert.ok(taken && other);
    await assertTaken(taken, app, bytes, digest);
    if (other.status === 404) assertOciError(other, 404, 'BLOB_UPLOAD_UNKNOWN');
    else assertOciError(other, 416, 'BLOB_UPLOAD_INVALID');
  }
});

test('a client that waits for leave to send gets it', async () => {
  const bytes = Buffer.from('patient');
  const digest = digestOf(bytes);
  const outgoing = app.begin('PUT', `${await app.upload()}?digest=${digest}`, {
    expect: '100-continue',
    'content-length': String(bytes.length),
  });
  const answer = answerTo(outgoing);
  const leave = new Promise((resolve) => outgoing.once('continue', resolve));
  outgoing.flushHeaders();
  await leave;
  outgoing.end(bytes);
  await assertTaken(await answer, app, bytes, digest);
});
