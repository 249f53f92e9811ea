/** The variables of upstream's server, as its README lists them: a registry can move here with its configuration. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { readOptions, type Options } from '../../bin/options.ts';
import { bearer, send } from '../support/http.ts';
import { cairnServe } from '../support/command-line.ts';
import { configOf } from '../support/x07-requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

type Environment = Record<string, string>;

/** What of the options an environment decides. */
function seen(env: Environment, flags: Parameters<typeof readOptions>[0] = {}): Partial<Options> {
  return readOptions(flags, env);
}
function upstream(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`X07_REGISTRY_${name}`, value]));
}

const inBucket = { STORAGE: 's3', S3_BUCKET: 'packages' };

test('each variable of upstream means here what it means there', () => {
  const rows: readonly (readonly [
    env: Environment,
    read: (options: Partial<Options>) => unknown,
    unknown,
  ])[] = [
    [{ BIND: '0.0.0.0:9000' }, ({ listen }) => listen, { host: '0.0.0.0', port: 9000 }],
    [{ BIND: '[::1]:9000' }, ({ listen }) => listen, { host: '::1', port: 9000 }],
    [{ BIND: ' ' }, ({ listen }) => listen, { host: '127.0.0.1', port: 8080 }],
    [{ DATA_DIR: 'data' }, ({ dataDirectory }) => dataDirectory, resolve('data')],
    [{ BOOTSTRAP_TOKEN: 'secret' }, ({ bootstrapSecret }) => bootstrapSecret, 'secret'],
    [
      { CORS_ORIGINS: 'https://a.example, https://b.example,' },
      ({ corsOrigins }) => corsOrigins,
      ['https://a.example', 'https://b.example'],
    ],
    [{ CORS_ORIGINS: '*' }, ({ corsOrigins }) => corsOrigins, ['*']],
    [{ VERIFIED_NAMESPACES: 'acme,ext' }, ({ said }) => said?.x07, { verifiedNamespaces: ['acme', 'ext'] }],
    [{ STORAGE: 'fs' }, ({ notes }) => notes, []],
    [{ PUBLIC_BASE: 'https://r.example' }, ({ said }) => said?.publicUrl, 'https://r.example'],
    [{ PUBLIC_BASE: 'https://r.example:8443/' }, ({ said }) => said?.publicUrl, 'https://r.example:8443'],
    [{ PUBLIC_BASE: 'https://r.example/pkg/x07/' }, ({ said }) => said?.publicUrl, 'https://r.example'],
    // Upstream's clients have stored URLs below its base.
    [{ PUBLIC_BASE: 'https://r.example' }, ({ said }) => said?.mounts?.['x07'], '/'],
    [{ PUBLIC_BASE: 'https://r.example/pkg/x07/' }, ({ said }) => said?.mounts?.['x07'], '/pkg/x07'],
    [{ PUBLIC_BASE: 'https://r.example/pkg' }, ({ said }) => said?.mounts?.['x07'], '/pkg'],
    [{ BIND: ':9000' }, ({ said, listen }) => [said?.mounts?.['x07'], listen?.port], ['/', 9000]],
    [{ BIND: '127.0.0.1:1' }, ({ said }) => [said?.publicUrl, said?.mounts?.['x07']], [undefined, '/']],
  ];
  for (const [env, read, wanted] of rows)
    assert.deepEqual(read(seen(upstream(env))), wanted, JSON.stringify(env));
});

test('an environment that says nothing of upstream changes nothing', () => {
  const { said, notes, corsOrigins, bootstrapSecret } = seen({ PATH: '/bin', X07_REGISTRY_BIND: '' });
  assert.deepEqual(
    { said, notes, corsOrigins, bootstrapSecret },
    {
      said: {
        publicUrl: undefined,
        mounts: undefined,
        x07: undefined,
        npm: undefined,
        oci: undefined,
        ori: undefined,
      },
      notes: [],
      corsOrigins: [],
      bootstrapSecret: undefined,
    },
  );
});

test('what has no meaning here is said, and ignored', () => {
  const rows: readonly (readonly [env: Environment, names: readonly string[]])[] = [
    [{ DATABASE_URL: 'postgres://x07:secret@db/x07' }, ['DATABASE_URL']],
    [{ X07_REGISTRY_DATABASE_URL: 'postgres://x07:secret@db/x07' }, ['X07_REGISTRY_DATABASE_URL']],
    [{ X07_REGISTRY_DATABASE_SCHEMA: 'public' }, ['X07_REGISTRY_DATABASE_SCHEMA']],
    [
      upstream({
        STORAGE: 'fs',
        S3_BUCKET: 'b',
        S3_REGION: 'r',
        S3_ENDPOINT: 'https://s3.example',
        S3_PREFIX: 'p',
        S3_FORCE_PATH_STYLE: 'true',
        S3_ACCESS_KEY_ID: 'id',
        S3_SECRET_ACCESS_KEY: 'secret',
      }),
      [
        'BUCKET',
        'REGION',
        'ENDPOINT',
        'PREFIX',
        'FORCE_PATH_STYLE',
        'ACCESS_KEY_ID',
        'SECRET_ACCESS_KEY',
      ].map((name) => `X07_REGISTRY_S3_${name}`),
    ],
    [{ X07_REGISTRY_GITHUB_CLIENT_ID: 'secret' }, ['X07_REGISTRY_GITHUB_CLIENT_ID']],
    [{ DATABASE_URL: ' ' }, []],
  ];
  for (const [env, names] of rows) {
    const { notes = [] } = seen(env);
    assert.deepEqual(
      notes.map((note) => note.split(' ')[0]),
      names,
    );
    for (const note of notes) {
      assert.match(note, /^\S+ is ignored: .{10}/);
      assert.doesNotMatch(note, /secret/, 'values are nobody’s business');
    }
  }
});

test('what cannot be meant here is refused in a sentence that names it', () => {
  const rows: readonly (readonly [env: Environment, says: RegExp])[] = [
    [{ STORAGE: 's3' }, /^storage in a bucket is asked for, and none is named: say X07_REGISTRY_S3_BUCKET$/],
    [{ STORAGE: 'tape' }, /^X07_REGISTRY_STORAGE=tape: use fs or s3$/],
    [{ ...inBucket, S3_ENDPOINT: 's3.example' }, /^X07_REGISTRY_S3_ENDPOINT must be an origin/],
    [{ ...inBucket, S3_ENDPOINT: 'https://s3.example/path' }, /^X07_REGISTRY_S3_ENDPOINT must be an origin/],
    [{ ...inBucket, S3_ENDPOINT: 'https://u:secret@s3.example' }, /^(?!.*secret)X07_REGISTRY_S3_ENDPOINT/],
    [{ ...inBucket, S3_FORCE_PATH_STYLE: 'maybe' }, /^X07_REGISTRY_S3_FORCE_PATH_STYLE=maybe: use true or/],
    [{ ...inBucket, S3_BUCKET: 'A_B' }, /A_B.*is no place in a bucket/],
    [{ ...inBucket, S3_PREFIX: 'a/../b' }, /is no place in a bucket/],
    [
      { ...inBucket, S3_ACCESS_KEY_ID: 'secret' },
      /^(?!.*=secret)X07_REGISTRY_S3_ACCESS_KEY_ID without X07_REGISTRY_S3_SECRET_ACCESS_KEY: say both, or none$/,
    ],
    [{ ...inBucket, S3_SECRET_ACCESS_KEY: 'secret' }, /KEY without X07_REGISTRY_S3_ACCESS_KEY_ID: say both/],
    [{ PUBLIC_BASE: 'r.example' }, /^X07_REGISTRY_PUBLIC_BASE=r\.example is not a URL such as https:/],
    [{ PUBLIC_BASE: 'ftp://r.example' }, /PUBLIC_BASE=ftp:\/\/r\.example/],
    [{ PUBLIC_BASE: 'https://r.example/?a=b' }, /PUBLIC_BASE/],
    [{ PUBLIC_BASE: 'https://r.example/#a' }, /PUBLIC_BASE/],
    [{ PUBLIC_BASE: 'https://user:pass@r.example/' }, /PUBLIC_BASE/],
    [{ BIND: 'nonsense' }, /nonsense: use HOST:PORT/],
  ];
  for (const [env, says] of rows)
    assert.throws(() => seen(upstream(env)), { name: 'RegistryError', code: 'bad-request', message: says });
});

test('with storage in S3, blobs and site lie below its bucket and prefix', () => {
  const storageOf = (env: Environment, more: Environment = {}) => seen({ ...upstream(env), ...more }).storage;
  const given = (storage: object | undefined): object =>
    Object.fromEntries(Object.entries(storage ?? {}).filter(([, value]) => value !== undefined));
  assert.deepEqual(given(storageOf({ STORAGE: 'fs' })), {});
  assert.deepEqual(given(storageOf({ STORAGE: 'filesystem', S3_BUCKET: 'packages' })), {});
  assert.deepEqual(given(storageOf(inBucket)), { blobs: 's3://packages/blobs', site: 's3://packages/site' });
  const all = {
    ...inBucket,
    STORAGE: 'S3',
    S3_PREFIX: '/x07/prod/',
    S3_REGION: 'eu-west-1',
    S3_ENDPOINT: 'https://s3.example/',
    S3_FORCE_PATH_STYLE: 'yes',
    S3_ACCESS_KEY_ID: 'id',
    S3_SECRET_ACCESS_KEY: 'secret',
  };
  assert.deepEqual(given(storageOf(all)), {
    blobs: 's3://packages/x07/prod/blobs',
    site: 's3://packages/x07/prod/site',
    endpoint: 'https://s3.example',
    region: 'eu-west-1',
    pathStyle: true,
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  });
  assert.deepEqual(seen(upstream(all)).notes, []);
  // Upstream takes each half from the common word where its own is not there.
  const half = storageOf({ ...inBucket, S3_ACCESS_KEY_ID: 'id' }, { AWS_SECRET_ACCESS_KEY: 'common' });
  assert.deepEqual(half?.credentials, { accessKeyId: 'id', secretAccessKey: 'common' });
  const common = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'common' };
  assert.equal(storageOf(inBucket, common)?.credentials, undefined, 'the SDK finds these');
  // Ours come first, one by one.
  const ours = storageOf(all, { CAIRN_S3_REGION: 'ours', CAIRN_BUCKET: 's3://ours' });
  assert.deepEqual(
    [ours?.region, ours?.blobs, ours?.endpoint],
    ['ours', 's3://ours/blobs', 'https://s3.example'],
  );
});

test('a variable of ours comes before one of upstream, and a flag before both', () => {
  const theirs = upstream({
    BIND: '1.1.1.1:1',
    DATA_DIR: '/theirs',
    PUBLIC_BASE: 'https://theirs.example/theirs',
    BOOTSTRAP_TOKEN: 'theirs',
    CORS_ORIGINS: 'https://theirs.example',
    VERIFIED_NAMESPACES: 'theirs',
  });
  const ours = {
    CAIRN_LISTEN: '2.2.2.2:2',
    CAIRN_DATA: '/ours',
    CAIRN_PUBLIC_URL: 'https://ours.example',
    CAIRN_MOUNTS: 'x07=/ours',
    CAIRN_BOOTSTRAP_TOKEN: 'ours',
    CAIRN_CORS_ORIGINS: 'https://ours.example',
    CAIRN_X07_VERIFIED_NAMESPACES: 'ours',
  };
  const of = (env: Environment) => {
    const { listen, dataDirectory, said, bootstrapSecret, corsOrigins } = readOptions({}, env);
    const { publicUrl, mounts, x07 } = said;
    return [
      listen,
      dataDirectory,
      publicUrl,
      mounts?.['x07'],
      bootstrapSecret,
      corsOrigins,
      x07?.verifiedNamespaces,
    ];
  };
  const wanted = (whose: string, address: string, port: number) => [
    { host: address, port },
    `/${whose}`,
    `https://${whose}.example`,
    `/${whose}`,
    whose,
    [`https://${whose}.example`],
    [whose],
  ];
  assert.deepEqual(of(theirs), wanted('theirs', '1.1.1.1', 1));
  assert.deepEqual(of({ ...theirs, ...ours }), wanted('ours', '2.2.2.2', 2));
  // One by one as well.
  assert.equal(seen({ ...theirs, CAIRN_DATA: '/ours' }).dataDirectory, '/ours');
  const flags = { listen: '3.3.3.3:3', data: '/flag', publicUrl: 'https://flag.example' };
  const { listen, dataDirectory, said } = seen({ ...theirs, ...ours }, flags);
  assert.deepEqual(
    [listen, dataDirectory, said?.publicUrl],
    [{ host: '3.3.3.3', port: 3 }, '/flag', 'https://flag.example'],
  );
});

test('a server starts with the environment of upstream, as the root of its origin', async (t) => {
  const data = await temporaryDirectory(t);
  const env = {
    ...upstream({ BIND: '127.0.0.1:0', DATA_DIR: data, PUBLIC_BASE: 'https://r.example/' }),
    ...upstream({ BOOTSTRAP_TOKEN: 'secret', VERIFIED_NAMESPACES: 'acme', STORAGE: 'fs' }),
    DATABASE_URL: 'postgres://x07:x07@127.0.0.1:5432/x07_registry',
  };
  const server = await cairnServe(t, [], { env });
  assert.match(server.printed().stdout, /^note {7}DATABASE_URL is ignored: /m);
  const config: object = await configOf(server.url, '');
  assert.deepEqual(
    { ...config, signing: undefined },
    {
      dl: 'https://r.example/v1/packages/',
      api: 'https://r.example/v1/',
      'auth-required': false,
      sparse: true,
      'verified-namespaces': ['acme'],
      signing: undefined,
    },
  );
  const made = await send(server.url, '/v1/admin/bootstrap', {
    method: 'POST',
    headers: { ...bearer('secret'), 'content-type': 'application/json' },
    body: '{"handle":"alice"}',
  });
  assert.equal(made.status, 200, made.text);
  assert.equal(await server.stop(), 0);
});
