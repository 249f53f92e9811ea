/** The variables of upstream's server, as its README and its documents list them. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { readOptions, type Options } from '../../bin/options.ts';

type Environment = Record<string, string>;

function seen(env: Environment): Options {
  return readOptions({}, env);
}

test('each variable of upstream means here what it means there', () => {
  const url = 'REGISTRY_URL';
  const rows: readonly (readonly [Environment, (options: Options) => unknown, unknown])[] = [
    [{ [url]: 'https://r.example' }, ({ said }) => said.publicUrl, 'https://r.example'],
    [{ [url]: 'https://r.example:8443/' }, ({ said }) => said.publicUrl, 'https://r.example:8443'],
    [{ [url]: 'https://r.example/wasm/run/' }, ({ said }) => said.publicUrl, 'https://r.example'],
    [{ [url]: 'https://r.example/wasm/run/' }, ({ said }) => said.mounts?.['run'], '/wasm/run'],
    // Its clients have the root of its host in their run.toml.
    [{ [url]: 'https://r.example' }, ({ said }) => said.mounts?.['run'], '/'],
    [{ REGISTRY_TOKENS: 'acme:0123456789abcdef' }, ({ said }) => said.mounts?.['run'], '/'],
    [{ REGISTRY_DATA_DIR: 'data' }, ({ dataDirectory }) => dataDirectory, resolve('data')],
    [{ [url]: 'http://a', DATA_DIR: 'data' }, ({ dataDirectory }) => dataDirectory, resolve('data')],
    [{ REGISTRY_DATA_DIR: 'one', DATA_DIR: 'two' }, ({ dataDirectory }) => dataDirectory, resolve('one')],
    [{ [url]: 'http://a', PORT: '9000' }, ({ listen }) => listen, { host: '0.0.0.0', port: 9000 }],
    [{ [url]: 'http://a' }, ({ listen }) => listen, { host: '0.0.0.0', port: 8080 }],
    [{ REGISTRY_ADMIN_TOKEN: 'secret' }, ({ administratorToken }) => administratorToken, 'secret'],
    [{ REGISTRY_MAX_UPLOAD_MB: '7' }, ({ maxUploadBytes }) => maxUploadBytes, { run: 7 * 1024 * 1024 }],
    [
      { [url]: 'http://a', MAX_UPLOAD_MB: '7' },
      ({ maxUploadBytes }) => maxUploadBytes,
      { run: 7 * 1024 * 1024 },
    ],
    [
      { REGISTRY_MAX_UPLOAD_MB: '7', MAX_UPLOAD_MB: '8' },
      ({ maxUploadBytes }) => maxUploadBytes['run'],
      7 * 1024 * 1024,
    ],
    [{ [url]: 'http://a' }, ({ maxUploadBytes }) => maxUploadBytes, {}],
    [{ REGISTRY_RATE_LIMIT_PER_MIN: '7' }, ({ limits }) => limits, { run: { withToken: 7, anonymous: 7 } }],
    [{ REGISTRY_RATE_LIMIT_PER_MIN: '7', CAIRN_LIMITS: 'run=off' }, ({ limits }) => limits, { run: 'off' }],
  ];
  for (const [env, read, wanted] of rows) assert.deepEqual(read(seen(env)), wanted, JSON.stringify(env));
});

test('tokens are for a namespace, or for all of them, and never administer', () => {
  const tokens = { acme: 'a-token:with-a-colon', '*': 'a-token-for-all-of-run' };
  const text = Object.entries(tokens)
    .map(([place, token]) => `${place}:${token}`)
    .join(' , ');
  const { environmentTokens } = seen({ REGISTRY_TOKENS: text });
  const [acme, all] = Object.values(tokens).map((token) => environmentTokens.actorOf(token));
  assert.deepEqual(acme?.limits, [{ ecosystem: 'run', namespace: 'acme' }]);
  assert.deepEqual(all?.limits, [{ ecosystem: 'run' }]);
  for (const actor of [acme, all]) assert.deepEqual([...(actor?.scopes ?? [])].sort(), ['publish', 'read']);
});

test('what others look for as well means nothing alone', () => {
  const { said, listen, dataDirectory, maxUploadBytes, notes } = seen({
    PORT: '9000',
    DATA_DIR: 'x',
    MAX_UPLOAD_MB: '1',
    REGISTRY_URL: ' ',
  });
  assert.deepEqual(
    { mounts: said.mounts, listen, dataDirectory, maxUploadBytes, notes },
    {
      mounts: undefined,
      listen: { host: '127.0.0.1', port: 8080 },
      dataDirectory: resolve('./cairn-data'),
      maxUploadBytes: {},
      notes: [],
    },
  );
});

test('what is said in our words counts', () => {
  const { listen, maxUploadBytes, said } = seen({
    REGISTRY_URL: 'http://a',
    PORT: '9000',
    CAIRN_LISTEN: '127.0.0.1:1',
    REGISTRY_MAX_UPLOAD_MB: '7',
    CAIRN_RUN_MAX_UPLOAD_MB: '8',
    CAIRN_MOUNTS: 'run=/components',
  });
  assert.deepEqual(
    [listen.port, maxUploadBytes['run'], said.mounts?.['run']],
    [1, 8 * 1024 * 1024, '/components'],
  );
});

test('a value that cannot be meant is refused, in words that say which', () => {
  for (const [env, says] of [
    [{ REGISTRY_URL: 'r.example' }, /REGISTRY_URL=r\.example/],
    [{ REGISTRY_URL: 'ftp://r.example' }, /REGISTRY_URL/],
    [{ REGISTRY_URL: 'https://r.example/?a' }, /REGISTRY_URL/],
    [{ REGISTRY_URL: 'http://a', PORT: 'http' }, /PORT=http/],
    [{ REGISTRY_URL: 'http://a', PORT: '70000' }, /PORT=70000/],
    [{ REGISTRY_RATE_LIMIT_PER_MIN: '0' }, /run=0: requests a minute/],
    [{ REGISTRY_MAX_UPLOAD_MB: '0' }, /CAIRN_RUN_MAX_UPLOAD_MB=0/],
    [{ REGISTRY_MAX_UPLOAD_MB: '1.5' }, /=1\.5: use a whole number/],
    [{ CAIRN_RUN_MAX_UPLOAD_MB: '-1' }, /=-1: use a whole number/],
    [{ REGISTRY_TOKENS: 'no-colon-but-a-long-secret' }, /REGISTRY_TOKENS: what stands before/],
    [{ REGISTRY_TOKENS: 'acme:0123456789abcdef,A:0123456789abcdef' }, /REGISTRY_TOKENS, entry 2/],
  ] as const) {
    const error = thrownBy(() => seen(env));
    assert.match(error.message, says, JSON.stringify(env));
    assert.doesNotMatch(error.message, /secret|0123456789/);
  }
});

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  return assert.fail('nothing was thrown');
}
