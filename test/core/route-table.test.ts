import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../core/errors.ts';
import { RouteTable } from '../../core/route.ts';

function tableOf(...routes: readonly string[]): RouteTable<string> {
  const table = new RouteTable<string>();
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ');
    table.add(method, path, route);
  }
  return table;
}

/** The route that answers, or what is said instead. */
function answer(table: RouteTable<string>, method: string, path: string): string {
  const match = table.match(method, path);
  if (match.found === 'nothing') return 'nothing';
  if (match.found === 'path') return `only ${match.allow.join()}`;
  const params = Object.entries(match.params).map(([name, value]) => ` ${name}=${value}`);
  return match.route + params.join('');
}

test('a path is matched segment by segment, whole', () => {
  const table = tableOf('GET /v1/{name}', 'GET /', 'GET /v1/', 'GET /v1/{name}/{version}/owners');
  const rows: Record<string, string> = {
    '/v1/foo': 'GET /v1/{name} name=foo',
    '/': 'GET /',
    '/v1/': 'GET /v1/',
    '/v1': 'nothing',
    '/v1/foo/': 'nothing',
    '/v1/foo/1.0.0/owners': 'GET /v1/{name}/{version}/owners name=foo version=1.0.0',
    '/v1/foo/1.0.0/owners/x': 'nothing',
    '/v1//1.0.0/owners': 'nothing',
    '/V1/foo': 'nothing',
    '//v1/foo': 'nothing',
    '': 'GET /',
  };
  for (const [path, wanted] of Object.entries(rows)) assert.equal(answer(table, 'GET', path), wanted, path);
});

test('a literal wins over a parameter, whatever was added first', () => {
  const routes = [
    'GET /p/{name}',
    'GET /p/publish',
    'GET /p/{name}/owners',
    'GET /p/publish/{x}',
    'GET /p/{a}/{b}',
  ];
  for (const order of [routes, routes.toReversed()]) {
    const table = tableOf(...order);
    assert.equal(answer(table, 'GET', '/p/publish'), 'GET /p/publish');
    assert.equal(answer(table, 'GET', '/p/foo'), 'GET /p/{name} name=foo');
    assert.equal(answer(table, 'GET', '/p/foo/owners'), 'GET /p/{name}/owners name=foo');
    assert.equal(answer(table, 'GET', '/p/publish/y'), 'GET /p/publish/{x} x=y');
    assert.equal(answer(table, 'GET', '/p/foo/y'), 'GET /p/{a}/{b} a=foo b=y');
  }
});

test('a more literal path wins, also for a method it does not have', () => {
  const table = tableOf('GET /p/{name}', 'POST /p/publish');
  assert.equal(answer(table, 'GET', '/p/publish'), 'only POST');
});

test('HEAD is answered where GET is, and every method that is allowed is named', () => {
  const table = tableOf('GET /a', 'PUT /a', 'POST /b');
  assert.equal(answer(table, 'HEAD', '/a'), 'GET /a');
  assert.equal(answer(table, 'DELETE', '/a'), 'only GET,HEAD,PUT');
  assert.equal(answer(table, 'HEAD', '/b'), 'only POST');
  assert.equal(answer(table, 'get', '/a'), 'only GET,HEAD,PUT');
});

test('one pattern may name its parameters differently for each method', () => {
  const table = tableOf('GET /p/{name}', 'PUT /p/{name}');
  assert.equal(answer(table, 'PUT', '/p/x'), 'PUT /p/{name} name=x');
});

test('the same route twice is a mistake that shows', () => {
  assert.throws(() => tableOf('GET /a/{b}', 'GET /a/{b}'), TypeError);
  assert.throws(() => tableOf('GET /a/{b}', 'GET /a/{c}'), TypeError);
  tableOf('GET /a/{b}', 'PUT /a/{b}', 'GET /a/b');
});

test('segments are decoded, after they were cut apart', () => {
  const table = tableOf('GET /p/{name}', 'GET /p/{name}/{version}');
  assert.equal(answer(table, 'GET', '/p/%40scope%2fpkg'), 'GET /p/{name} name=@scope/pkg');
  assert.equal(answer(table, 'GET', '/p/a/1.0.0%2Bx'), 'GET /p/{name}/{version} name=a version=1.0.0+x');
  assert.equal(answer(table, 'GET', '/p/a+b'), 'GET /p/{name} name=a+b');
  assert.equal(answer(table, 'GET', '/p/%2e%2e'), 'GET /p/{name} name=..');
});

test('what is no percent-encoding is refused', () => {
  const table = tableOf('GET /p/{name}', 'GET /literal');
  for (const path of ['/p/%', '/p/%zz', '/p/%ff', '/p/%c3%28', '/p/a%e2%82'])
    assert.throws(
      () => table.match('GET', path),
      (error) => error instanceof RegistryError && error.code === 'bad-request',
      path,
    );
  assert.equal(answer(table, 'GET', '/%zz'), 'nothing');
});

test('any segment that is sent encoded comes back as it was', () => {
  const table = tableOf('GET /p/{name}');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
      const match = table.match('GET', `/p/${encodeURIComponent(name)}`);
      assert.deepEqual(match.found === 'route' && match.params, { name });
    }),
  );
});
