import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentTokens, handleOf, type GivenToken } from '../../core/environment-tokens.ts';
import { givenTokens } from '../../ecosystems/given-tokens.ts';
import { readOptions } from '../../bin/options.ts';
import { openTokenBench } from '../support/access-tokens.ts';
import { anActor, openWorld, publishOf } from '../support/registry.ts';

const [first, second] = ['a-token-of-sixteen', 'another:one,no-but-a-colon'];
const given = (over: Partial<GivenToken> = {}): GivenToken => ({
  ecosystem: 'npm',
  namespace: '@acme',
  token: first,
  said: 'CAIRN_TOKENS, entry 1',
  ...over,
});

test('a token is good for its place alone, and acts by a handle that no account can have', () => {
  const tokens = new EnvironmentTokens([
    given(),
    given({
      ecosystem: 'x07',
      namespace: undefined as never,
      token: 'for-all-of-x07-here',
      scopes: ['yank'],
    }),
  ]);
  const actor = tokens.actorOf(first);
  assert.equal(actor?.handle, 'npm.@acme');
  assert.deepEqual([...actor.scopes], ['read', 'publish']);
  assert.deepEqual(actor.limits, [{ ecosystem: 'npm', namespace: '@acme' }]);
  const all = tokens.actorOf('for-all-of-x07-here');
  assert.equal(all?.handle, 'x07.*');
  assert.deepEqual([...all.scopes], ['yank']);
  assert.deepEqual(all.limits, [{ ecosystem: 'x07' }]);
  assert.equal(tokens.actorOf(`${first}.`), undefined);
  assert.equal(tokens.actorOf(''), undefined);
});

test('with a handle beside it, a token is good under its own one only', () => {
  const tokens = new EnvironmentTokens([given()]);
  assert.equal(tokens.actorOf(first, 'npm.@acme')?.handle, 'npm.@acme');
  assert.equal(tokens.actorOf(first, 'npm.@other'), undefined);
  assert.equal(tokens.actorOf(first, 'admin'), undefined);
});

test('two tokens may be for one place, and one token for one place only', () => {
  const tokens = new EnvironmentTokens([given(), given({ token: second })]);
  assert.equal(tokens.actorOf(first)?.handle, tokens.actorOf(second)?.handle);
  assert.equal(tokens.actorsNamed('npm.@acme').length, 2);
  const twice = [given(), given({ namespace: '@other', said: 'REGISTRY_TOKENS' })];
  assert.throws(
    () => new EnvironmentTokens(twice),
    /^RegistryError: REGISTRY_TOKENS: the same token as CAIRN_TOKENS, entry 1/,
  );
});

test('an entry ends its place at the first colon', () => {
  const list = givenTokens({
    variable: 'REGISTRY_TOKENS',
    text: ' acme:one:two , other:three,',
    placeOf: (namespace) => ({ ecosystem: 'npm', namespace }),
    example: 'acme',
  });
  assert.deepEqual(
    list.map(({ namespace, token, said }) => [namespace, token, said]),
    [
      ['acme', 'one:two', 'REGISTRY_TOKENS, entry 1'],
      ['other', 'three', 'REGISTRY_TOKENS, entry 2'],
    ],
  );
});

test('what cannot be is refused at start by where it was said, without a word of the token', () => {
  const good = 'a-good-token-of-npm';
  const rows: readonly (readonly [env: Record<string, string>, says: RegExp])[] = [
    [{ CAIRN_TOKENS: 'secret-without-a-place' }, /^CAIRN_TOKENS: what stands before the first colon/],
    [{ CAIRN_TOKENS: `npm/@acme:${good},secret-in-front:npm` }, /^CAIRN_TOKENS, entry 2: what stands/],
    [{ CAIRN_TOKENS: `secret/acme:${good}` }, /no place that a token can be for; write npm\/@acme:TOKEN/],
    [{ CAIRN_TOKENS: `npm/secret:${good}` }, /no place/],
    [{ CAIRN_TOKENS: `x07/Secret Name:${good}` }, /no place/],
    [{ CAIRN_TOKENS: 'npm/@acme:secret' }, /^CAIRN_TOKENS: a token has 16 to 512 characters/],
    [{ CAIRN_TOKENS: 'npm/@acme:' }, /16 to 512/],
    [{ CAIRN_TOKENS: 'npm/@acme:secret with some spaces' }, /no spaces/],
    [{ CAIRN_TOKENS: `npm/@acme:${'secret-'.repeat(80)}` }, /16 to 512/],
    [
      { CAIRN_TOKENS: 'npm:same-secret-for-both,x07:same-secret-for-both' },
      /entry 2: the same token as CAIRN/,
    ],
    [
      { CAIRN_TOKENS: 'npm:secret-administrator', CAIRN_ADMIN_TOKEN: 'secret-administrator' },
      /another secret of this registry/,
    ],
    [
      { CAIRN_TOKENS: 'npm:secret-for-bootstrap', CAIRN_BOOTSTRAP_TOKEN: 'secret-for-bootstrap' },
      /another secret of this registry/,
    ],
  ];
  for (const [env, says] of rows)
    assert.throws(
      () => readOptions({}, env),
      ({ message }: Error) => {
        assert.match(message, says);
        assert.doesNotMatch(message, /secret-|secret\/|secret with|Secret|"/, message);
        return true;
      },
    );
});

test('a place is an ecosystem, a namespace, or a name where there are no namespaces', () => {
  const text = 'x07:token-for-all-of-x07,x07/acme-hello:token-for-one-of-x07,npm/@acme:token-of-a-scope';
  const { environmentTokens } = readOptions({}, { CAIRN_TOKENS: `${text},oci/acme:token-of-a-namespace` });
  const handles = [
    'token-for-all-of-x07',
    'token-for-one-of-x07',
    'token-of-a-scope',
    'token-of-a-namespace',
  ].map((token) => environmentTokens.actorOf(token)?.handle);
  assert.deepEqual(handles, ['x07.*', 'x07.acme-hello', 'npm.@acme', 'oci.acme']);
  assert.equal(handleOf({ ecosystem: 'npm', namespace: '@acme' }), 'npm.@acme');
});

test('it publishes what others own in its place, takes what is free for itself, and nothing elsewhere', async () => {
  const world = await openWorld();
  const ofNpm = (name: string, version: string) => publishOf(name, version, { ecosystem: 'npm', meta: {} });
  const ann = anActor('ann');
  const actor = new EnvironmentTokens([given()]).actorOf(first);
  assert.ok(actor);
  await world.execute(ofNpm('@acme/lib', '1.0.0'), ann);
  await world.execute(ofNpm('@acme/lib', '1.1.0'), actor);
  assert.equal(world.state.package('npm', '@acme/lib')?.releases.get('1.1.0')?.publishedBy, 'npm.@acme');
  // What is new in a scope that has owners is theirs.
  await world.execute(ofNpm('@acme/new', '1.0.0'), actor);
  assert.deepEqual(world.state.package('npm', '@acme/new')?.owners, ['ann']);
  for (const name of ['lib', '@other/lib'])
    await assert.rejects(async () => world.execute(ofNpm(name, '1.0.0'), actor), { code: 'scope-missing' });
  await assert.rejects(
    async () =>
      world.execute({ kind: 'add-owner', ecosystem: 'npm', name: '@acme/lib', owner: 'bob' }, actor),
    { code: 'scope-missing' },
  );
  const free = new EnvironmentTokens([given({ namespace: '@free' })]).actorOf(first);
  await world.execute(ofNpm('@free/lib', '1.0.0'), free);
  assert.deepEqual(world.state.namespace('npm', '@free')?.owners, ['npm.@free']);
  assert.deepEqual(world.state.package('npm', '@free/lib')?.owners, ['npm.@free']);
});

test('an access token that was made with one ends with it', async () => {
  const bench = openTokenBench();
  const environment = new EnvironmentTokens([given()]);
  const wanted = { audience: 'here', access: [], carriesScopes: true } as const;
  const tokens = bench.again({ environment, keys: bench.keys });
  const { token } = await tokens.issue({ ...wanted, actor: environment.actorOf(first) });
  const seen = await tokens.verify(token, 'here');
  assert.ok(typeof seen !== 'string' && seen.actor);
  assert.equal(seen.actor.handle, 'npm.@acme');
  assert.deepEqual([...seen.actor.scopes], ['publish', 'read']);
  assert.deepEqual(seen.actor.limits, [{ ecosystem: 'npm', namespace: '@acme' }]);
  const beside = new EnvironmentTokens([given({ token: second }), given()]);
  assert.notEqual(await bench.again({ environment: beside }).verify(token, 'here'), 'invalid');
  const without = new EnvironmentTokens([given({ token: second })]);
  assert.equal(await bench.again({ environment: without }).verify(token, 'here'), 'invalid');
  assert.equal(await bench.again().verify(token, 'here'), 'invalid');
});
