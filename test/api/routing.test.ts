/** Mounts that lie in one another, and surfaces that stand a second time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRouting, type Routing } from '../../api/routing.ts';
import type { RegistryError } from '../../core/errors.ts';
import { mountOf } from '../../ecosystems/ecosystem.ts';
import type { Settings } from '../../schema/types.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { someSettings } from '../support/registry.ts';

function routingOf(mounts: Settings['mounts']): Routing {
  return buildRouting(allSurfaces, someSettings({ mounts }));
}

function answeredBy(routing: Routing, method: string, path: string): string {
  const match = routing.table.match(method, routing.pathFor(undefined, path));
  return match.found === 'route' ? match.route.surface.id : match.found;
}

test('the longest mount that has an answer gives it', () => {
  const routing = routingOf({ pantry: '/', npm: '/npm', zig: '/zig' });
  const asked: [method: string, path: string, surface: string][] = [
    ['GET', '/packages/lib', 'pantry'],
    ['GET', '/npm/lib', 'npm'],
    // npm has a package of this name, and Pantry a request.
    ['GET', '/npm/resolve', 'npm'],
    ['POST', '/npm/resolve', 'pantry'],
    ['PUT', '/npm/resolve', 'npm'],
    ['POST', '/npm/download', 'pantry'],
    ['GET', '/zig/packages/lib', 'zig'],
    ['DELETE', '/npm/lib', 'path'],
    ['GET', '/lib@abc1234', 'pantry'],
    ['GET', '/commits/abc1234/@acme/lib', 'pantry'],
    ['GET', '/packages/%40acme%2flib/1.0.0/tarball', 'pantry'],
    ['GET', '/nothing/here/at/all/whatever', 'nothing'],
  ];
  for (const [method, path, surface] of asked)
    assert.equal(answeredBy(routing, method, path), surface, `${method} ${path}`);
});

test("Zig's routes stand below Pantry's as well, and once where both are one place", () => {
  const apart = routingOf({ pantry: '/pantry', zig: '/zig', npm: '/npm' });
  assert.equal(answeredBy(apart, 'GET', '/zig/packages/my_lib'), 'zig');
  assert.equal(answeredBy(apart, 'GET', '/pantry/zig/packages/my_lib'), 'pantry-zig');
  assert.equal(answeredBy(routingOf({ pantry: '/', zig: '/zig' }), 'GET', '/zig/packages/my-lib'), 'zig');
});

test('a surface that stands below another is on where both are', () => {
  const below = allSurfaces.find(({ id }) => id === 'pantry-zig') ?? assert.fail();
  assert.equal(mountOf(below, someSettings({ mounts: { pantry: '/p', zig: '/z' } })), '/p/zig');
  assert.equal(mountOf(below, someSettings({ mounts: { pantry: '/p' } })), undefined);
  assert.equal(mountOf(below, someSettings({ mounts: { zig: '/z' } })), undefined);
  assert.equal(mountOf(below, someSettings({ mounts: { pantry: '/', zig: '/zig' } })), undefined);
});

test('two surfaces cannot claim one place', () => {
  assert.throws(
    () => routingOf({ pantry: '/', npm: '/' }),
    (error: RegistryError) => error.code === 'conflict',
  );
});

test('a name has one spelling by the time a route is looked for', () => {
  const routing = routingOf({ pantry: '/pantry', zig: '/zig', npm: '/npm' });
  const same: [string, string][] = [
    ['/pantry/packages/@acme/lib/versions', '/pantry/packages/@acme%2Flib/versions'],
    ['/pantry/analytics/%40acme%2flib/timeline', '/pantry/analytics/@acme%2Flib/timeline'],
    ['/pantry/@acme/lib@abc1234', '/pantry/@acme%2Flib@abc1234'],
    ['/pantry/npm/resolve/react@^18,@acme/lib@^1', '/pantry/npm/resolve/react@^18,@acme%2Flib@^1'],
    ['/pantry/zig/packages/my_lib/1.0.0', '/pantry/zig/packages/my-lib/1.0.0'],
    ['/zig/packages/my_lib', '/zig/packages/my-lib'],
    ['/zig/hash/my_lib-1.0.0-AAAA', '/zig/hash/my_lib-1.0.0-AAAA'],
  ];
  for (const [spelled, meant] of same) assert.equal(routing.pathFor(undefined, spelled), meant);
});
