/** Lists of tags and of repositories (contract, section 6): whole, and in pages that lead to one another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anImage, assertOciError } from '../support/oci-api.ts';
import { linkOf, openRepositories, pagesFrom, type OciRepository } from '../support/oci-repository.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);

// In order of bytes.
const tags = ['0', '1.0', '1.10', '1.9', 'A', 'B', '_', 'a', 'a-b', 'a.b', 'a_b', 'latest'] as const;

/** A repository with these tags, which came in another order. */
async function tagged(name: string): Promise<OciRepository> {
  const to = await registry.repository(name);
  const config = await to.blob('{}');
  const manifest = JSON.stringify(anImage(config, []));
  for (const tag of [...tags].reverse()) await to.manifest(manifest, { tag });
  return to;
}

const open = await tagged('acme/open');
const hidden = await tagged('acme/hidden');
await registry.hide(hidden);

async function tagsOf(to: OciRepository, query = ''): Promise<readonly string[]> {
  const { status, text, headers } = await to.ask('GET', `tags/list${query}`);
  assert.equal(status, 200, text);
  assert.equal(headers['content-type'], 'application/json');
  const list = JSON.parse(text) as { name: string; tags: string[] };
  assert.deepEqual(Object.keys(list), ['name', 'tags']);
  assert.equal(list.name, to.name);
  return list.tags;
}

test('tags are listed in order of bytes', async () => {
  for (const to of [open, hidden]) {
    assert.deepEqual(await tagsOf(to), tags);
    assert.equal((await to.ask('GET', 'tags/list')).headers.link, undefined);
  }
});

test('so many tags are listed as were asked for, after the one that was named', async () => {
  const all = tags.length;
  const rows: readonly (readonly [query: string, from: number, to: number, link?: string])[] = [
    ['?n=2', 0, 2, '?n=2&last=1.0'],
    ['?n=0', 0, 0],
    ['?n=1', 0, 1, '?n=1&last=0'],
    [`?n=${all}`, 0, all],
    [`?n=${all - 1}`, 0, all - 1, `?n=${all - 1}&last=a_b`],
    ['?n=10000', 0, all],
    ['?n=2147483647', 0, all],
    ['?n=18446744073709551616', 0, all],
    ['?n=007', 0, 7, '?n=7&last=_'],
    ['?last=1.9', 4, all],
    ['?last=1.9&n=3', 4, 7, '?last=_&n=3'],
    ['?n=3&last=1.9', 4, 7, '?n=3&last=_'],
    ['?n=0&last=1.9', 0, 0],
    // Of what is not there: where it would be.
    ['?last=1.8', 3, all],
    ['?last=zzz', all, all],
    ['?last=zzz&n=5', all, all],
    ['?last=', 0, all],
    ['?n=2&last=a_b', 11, 12],
    ['?n=5&last=A&ns=x', 5, 10, '?n=5&last=a.b'],
  ];
  for (const to of [open, hidden])
    for (const [query, from, end, link] of rows) {
      assert.deepEqual(await tagsOf(to, query), tags.slice(from, end), query);
      const target = linkOf(await to.ask('GET', `tags/list${query}`));
      const expected = link === undefined ? undefined : new URLSearchParams(link);
      assert.equal(target?.split('?')[0], link === undefined ? undefined : `/v2/${to.name}/tags/list`);
      for (const parameter of ['n', 'last'])
        assert.equal(
          target === undefined ? undefined : new URLSearchParams(target.split('?')[1]).get(parameter),
          expected?.get(parameter),
          query,
        );
    }
});

test('pages lead to one another until all was told, however long they are', async () => {
  for (const to of [open, hidden])
    for (const n of [1, 2, 3, 5, 11, 12, 13]) {
      const pages = await pagesFrom(to, `/v2/${to.name}/tags/list?n=${n}`);
      const listed = pages.flatMap(({ text }) => (JSON.parse(text) as { tags: string[] }).tags);
      assert.deepEqual(listed, tags, `in pages of ${n}`);
      assert.equal(pages.length, Math.ceil(tags.length / n));
    }
  // Also where the path came with its slashes escaped.
  const pages = await pagesFrom(open, '/v2/acme%2Fopen/tags/list?n=7');
  assert.equal(pages.length, 2);
});

const noNumbers = ['-1', '1.5', 'ten', '', '%20', '1e3', '0x10', '+1'];

test('what is no number of entries is refused', async () => {
  const paths = ['tags/list', `referrers/sha256:${'0'.repeat(64)}`];
  await registry.refuses(
    [open, hidden].flatMap((to) =>
      [...paths.map((path) => to.to('GET', path)), { ...to.to('GET', ''), path: '/v2/_catalog' }].flatMap(
        (asking) =>
          noNumbers.map(
            (n) =>
              [
                `${asking.path} ${n}`,
                { ...asking, path: `${asking.path}?n=${n}` },
                400,
                'UNSUPPORTED',
                /n=.*: use a whole number from 0 on/,
              ] as const,
          ),
      ),
    ),
  );
});

test('a repository whose manifests have no tags has an empty list, and one that is not there has none', async () => {
  for (const isHidden of [false, true]) {
    const to = await registry.repository(`acme/untagged-${String(isHidden)}`);
    assertOciError(await to.ask('GET', 'tags/list'), 404, 'NAME_UNKNOWN');
    const config = await to.blob('{}');
    // A blob alone is not yet a repository.
    assertOciError(await to.ask('GET', 'tags/list'), 404, 'NAME_UNKNOWN');
    await to.manifest(anImage(config, []));
    if (isHidden) await registry.hide(to);
    assert.deepEqual(await tagsOf(to), []);
    assert.deepEqual(await tagsOf(to, '?n=5'), []);
    await to.manifest(anImage(config, []), { tag: 'x' });
    assert.deepEqual(await tagsOf(to), ['x']);
    await to.ask('DELETE', 'manifests/x');
    assert.deepEqual(await tagsOf(to), []);
  }
});

test('a list is right the moment that something has changed', async () => {
  for (const isHidden of [false, true]) {
    const to = await registry.repository(`acme/changing-${String(isHidden)}`);
    const config = await to.blob('{}');
    const { digest } = await to.manifest(anImage(config, []), { tag: 'a' });
    if (isHidden) await registry.hide(to);
    for (const tag of ['c', 'b', 'd']) {
      await to.manifest(anImage(config, []), { tag });
      assert.ok((await tagsOf(to)).includes(tag));
    }
    await to.manifest(anImage(config, [], { other: true }), { tag: 'e' });
    await to.ask('DELETE', 'manifests/b');
    assert.deepEqual(await tagsOf(to), ['a', 'c', 'd', 'e']);
    await to.ask('DELETE', `manifests/${digest}`);
    assert.deepEqual(await tagsOf(to), ['e']);
  }
});

test('the catalog lists what the caller may pull, in order of bytes and in pages', async (t) => {
  const own = await openRepositories(t);
  const names = ['ann/a', 'ann/a-b', 'ann/a/b', 'ann/a0', 'ann/b', 'bob/secret', 'bob/x'];
  for (const name of [...names].reverse()) {
    const to = await own.repository(name);
    await to.manifest(anImage(await to.blob('{}'), []));
  }
  const secret = await own.repository('bob/secret');
  await own.hide(secret);
  const [ann, bob] = [await own.repository('ann/a'), secret];
  const everybodys = names.filter((name) => name !== 'bob/secret');
  const read = async (as: OciRepository | undefined, query = ''): Promise<readonly string[]> => {
    const path = `/v2/_catalog${query}`;
    const answer = as ? await as.at('GET', path) : await own.ask({ path });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.headers['cache-control'], 'private, no-store');
    const list = JSON.parse(answer.text) as { repositories: string[] };
    assert.deepEqual(Object.keys(list), ['repositories']);
    return list.repositories;
  };
  assert.deepEqual(await read(undefined), everybodys);
  assert.deepEqual(await read(ann), everybodys);
  assert.deepEqual(await read(bob), names);
  assert.deepEqual(await read(bob, '?n=2&last=ann/a0'), ['ann/b', 'bob/secret']);
  assert.deepEqual(await read(bob, '?last=ann/a%2Fb'), names.slice(3));
  assert.deepEqual(await read(undefined, '?last=bob/secret'), ['bob/x']);
  assert.deepEqual(await read(undefined, '?n=0'), []);
  for (const n of [1, 3, 7, 8]) {
    const pages = await pagesFrom(bob, `/v2/_catalog?n=${n}`);
    const listed = pages.flatMap(({ text }) => (JSON.parse(text) as { repositories: string[] }).repositories);
    assert.deepEqual(listed, names);
  }
  const head = await bob.at('HEAD', '/v2/_catalog');
  const get = await bob.at('GET', '/v2/_catalog');
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(get.body.length)]);
  await own.refuses([
    [
      'a bad token',
      { path: '/v2/_catalog', headers: { authorization: 'Bearer x' } },
      401,
      'UNAUTHORIZED',
      /./,
      { 'www-authenticate': /,error="invalid_token"$/ },
    ],
  ]);
});
