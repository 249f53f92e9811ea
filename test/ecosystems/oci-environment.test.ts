/** Variables and options of the server whose place the OCI surface takes: a registry can move here with its configuration. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { inOurWords, type OciFlags } from '../../bin/oci-flags.ts';
import { readOptions, type Flags, type Options } from '../../bin/options.ts';
import { assertRefused, cairn, cairnOk, cairnServe } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

type Environment = Record<string, string>;

function upstream(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`OCI_REGISTRY_${name}`, value]));
}

function seen(env: Environment, said: Flags & OciFlags = {}): Options {
  const { flags, environment } = inOurWords(said, env);
  return readOptions(flags, environment);
}

/** As the README of that server writes it, word for word. */
const dotenv = `# Application Host and Port
OCI_REGISTRY_URL=127.0.0.1
OCI_REGISTRY_PORT=8968

# Public URL used in responses
OCI_REGISTRY_PUBLIC_URL=http://127.0.0.1:8968

# Storage Configuration
OCI_REGISTRY_STORAGE=FILESYSTEM
OCI_REGISTRY_ROOTDIR=/var/lib/registry

# Database URL for storing user and repository metadata
DATABASE_URL="postgres://postgres:password@localhost:5432/postgres"

# --- Security Configuration ---
# A random, secret string used for salting passwords with 16 characters long.
# Generate a secure random string for production use.
PASSWORD_SALT="AAAAAAAAAAAAAAAA"

# A secret key for signing JWT tokens.
# Generate a secure random string for production use.
JWT_SECRET="secret"

# JWT token lifetime in seconds
JWT_LIFETIME_SECONDS=3600

# Log level
RUST_LOG="info"
`;

const variables = Object.fromEntries(
  [...dotenv.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map(([, name = '', value = '']) => [name, value]),
);

test('the configuration of upstream’s README is understood, or said to do nothing and why', () => {
  const { listen, said, dataDirectory, accessTokenSeconds, notes, registration } = seen(variables);
  assert.deepEqual(listen, { host: '127.0.0.1', port: 8968 });
  assert.equal(said.publicUrl, 'http://127.0.0.1:8968');
  assert.equal(dataDirectory, '/var/lib/registry');
  assert.equal(accessTokenSeconds, 3600);
  assert.equal(registration, 'closed');
  assert.deepEqual(
    notes.map((note) => note.split(/[ :]/)[0]),
    ['DATABASE_URL', 'PASSWORD_SALT', 'JWT_SECRET', 'RUST_LOG', 'unlike'],
  );
  for (const note of notes) {
    assert.match(note, / is ignored: .{10}|only where registration is open$/);
    // A note goes to a terminal: it names a variable and never its value.
    assert.doesNotMatch(note, /"|postgres|password@|AAAA|=secret/);
  }
  assert.deepEqual(seen({ ...variables, CAIRN_REGISTRATION: 'open' }).notes.length, 4);
});

test('each variable of upstream means here what it means there', () => {
  const rows: readonly (readonly [env: Environment, read: (options: Options) => unknown, unknown])[] = [
    [upstream({ URL: '0.0.0.0' }), ({ listen }) => listen, { host: '0.0.0.0', port: 8968 }],
    [upstream({ URL: '::1', PORT: '9000' }), ({ listen }) => listen, { host: '::1', port: 9000 }],
    [upstream({ PORT: '9000' }), ({ listen }) => listen, { host: '127.0.0.1', port: 9000 }],
    // What upstream does when it is told nothing.
    [upstream({ ROOTDIR: 'data' }), ({ listen }) => listen, { host: '127.0.0.1', port: 8968 }],
    [upstream({ ROOTDIR: 'data' }), ({ dataDirectory }) => dataDirectory, resolve('data')],
    [upstream({ PUBLIC_URL: 'https://r.example/' }), ({ said }) => said.publicUrl, 'https://r.example'],
    [upstream({ STORAGE: 'filesystem' }), ({ notes }) => notes.length, 1],
    [{ ...upstream({ PORT: '1' }), JWT_LIFETIME_SECONDS: '60' }, ({ accessTokenSeconds: s }) => s, 60],
    [{ ...upstream({ PORT: '1' }), JWT_LIFETIME_SECONDS: '86400' }, ({ accessTokenSeconds: s }) => s, 3600],
    [{ ...upstream({ PORT: '1' }), JWT_LIFETIME_SECONDS: '5' }, ({ accessTokenSeconds: s }) => s, 60],
    [
      upstream({ S3_BUCKET: 'b' }),
      ({ notes }) => notes[0],
      'OCI_REGISTRY_S3_BUCKET is ignored: blobs and site lie below the data directory unless OCI_REGISTRY_STORAGE is S3',
    ],
    [
      { ...upstream({ PORT: '1' }), JWT_LIFETIME_SECONDS: '86400' },
      ({ notes }) => notes[0],
      'JWT_LIFETIME_SECONDS=86400 is 3600 here: a token is good for 60 to 3600 seconds',
    ],
    // Nothing of upstream's own is there: these names are used by others too.
    [
      { JWT_LIFETIME_SECONDS: '60', JWT_SECRET: 'x', PASSWORD_SALT: 'x', RUST_LOG: 'info' },
      (o) => [o.accessTokenSeconds, o.notes],
      [300, []],
    ],
    [upstream({ PORT: ' ', URL: '' }), ({ listen }) => listen.port, 8080],
  ];
  for (const [env, read, wanted] of rows) assert.deepEqual(read(seen(env)), wanted, JSON.stringify(env));
});

test('what cannot be meant here is refused in a sentence that names it', () => {
  const rows: readonly (readonly [env: Environment, flags: Flags & OciFlags, says: RegExp])[] = [
    [upstream({ STORAGE: 'tape' }), {}, /^OCI_REGISTRY_STORAGE=tape \(or --storage\): use FILESYSTEM or S3$/],
    [{}, { storage: 'tape' }, /use FILESYSTEM or S3/],
    [upstream({ STORAGE: 'S3' }), {}, /none is named: say OCI_REGISTRY_S3_BUCKET$/],
    [{}, { storage: 's3' }, /none is named: say OCI_REGISTRY_S3_BUCKET$/],
    [
      {},
      { storage: 's3', s3Bucket: 'images', s3Endpoint: 'http://s3.example' },
      /^OCI_REGISTRY_S3_ENDPOINT is http:, .*OCI_REGISTRY_S3_ALLOW_HTTP=true$/,
    ],
    [
      upstream({ STORAGE: 'S3', S3_BUCKET: 'images', S3_SECRET_ACCESS_KEY: 'hidden' }),
      {},
      /^(?!.*hidden)OCI_REGISTRY_S3_SECRET_ACCESS_KEY without OCI_REGISTRY_S3_ACCESS_KEY_ID/,
    ],
    [upstream({ URL: 'http://127.0.0.1' }), {}, /is the address to listen on, .*OCI_REGISTRY_PUBLIC_URL/],
    [{}, { host: 'https://registry.example' }, /is the address to listen on/],
    [upstream({ PORT: 'http' }), {}, /^OCI_REGISTRY_PORT=http \(or --port\): use a number such as 8968/],
    [{}, { port: '99999' }, /99999: use HOST:PORT/],
    [upstream({ PUBLIC_URL: 'r.example' }), {}, /origin such as https:/],
    [{}, { url: 'https://r.example/path' }, /without a path/],
    [{ ...upstream({ PORT: '1' }), JWT_LIFETIME_SECONDS: '1h' }, {}, /=1h: use a whole number/],
    [{}, { host: '::', listen: ':1' }, /^--host and --listen say the same thing: give one of them$/],
    [{}, { port: '1', listen: ':1' }, /^--port and --listen/],
    [{}, { root: 'a', data: 'b' }, /^--root and --data/],
    [{}, { url: 'https://a.example', publicUrl: 'https://a.example' }, /^--url and --public-url/],
  ];
  for (const [env, flags, says] of rows)
    assert.throws(() => seen(env, flags), { name: 'RegistryError', code: 'bad-request', message: says });
});

test('with storage in S3, by variables or by options, blobs and site lie in its bucket', () => {
  const variables = upstream({
    STORAGE: 'S3',
    S3_BUCKET: 'images',
    S3_REGION: 'eu-west-1',
    S3_ENDPOINT: 'http://127.0.0.1:9000',
    S3_ACCESS_KEY_ID: 'id',
    S3_SECRET_ACCESS_KEY: 'secret',
    S3_PATH_STYLE: 'true',
    S3_ALLOW_HTTP: 'true',
  });
  const options: OciFlags = {
    storage: 's3',
    s3Bucket: 'images',
    s3Region: 'eu-west-1',
    s3Endpoint: 'http://127.0.0.1:9000',
    s3AccessKeyId: 'id',
    s3SecretAccessKey: 'secret',
    s3PathStyle: true,
    s3AllowHttp: true,
  };
  for (const { storage, notes } of [seen(variables), seen({}, options)]) {
    assert.deepEqual(storage, {
      blobs: 's3://images/blobs',
      site: 's3://images/site',
      artifacts: undefined,
      endpoint: 'http://127.0.0.1:9000',
      publicEndpoint: undefined,
      region: 'eu-west-1',
      pathStyle: true,
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    });
    assert.deepEqual(
      notes.filter((note) => note.includes('S3')),
      [],
    );
  }
  // An option goes over a variable.
  assert.equal(seen(variables, { s3Bucket: 'others' }).storage.blobs, 's3://others/blobs');
  assert.equal(seen(variables, { storage: 'FILESYSTEM' }).storage.blobs, undefined);
});

test('options of upstream come before every variable, and ours before upstream’s', () => {
  const theirs = upstream({
    URL: '1.1.1.1',
    PORT: '1',
    ROOTDIR: '/theirs',
    PUBLIC_URL: 'https://theirs.example',
  });
  const ours = { CAIRN_LISTEN: '2.2.2.2:2', CAIRN_DATA: '/ours', CAIRN_PUBLIC_URL: 'https://ours.example' };
  const flags = { host: '3.3.3.3', port: '3', root: '/flag', url: 'https://flag.example' };
  const of = (env: Environment, said: Flags & OciFlags = {}): unknown => {
    const { listen, dataDirectory, said: settings } = seen(env, said);
    return [`${listen.host}:${listen.port}`, dataDirectory, settings.publicUrl];
  };
  assert.deepEqual(of(theirs), ['1.1.1.1:1', '/theirs', 'https://theirs.example']);
  assert.deepEqual(of({ ...theirs, ...ours }), ['2.2.2.2:2', '/ours', 'https://ours.example']);
  const all = ['3.3.3.3:3', '/flag', 'https://flag.example'];
  assert.deepEqual(of({ ...theirs, ...ours }, flags), all);
  assert.deepEqual(of({}, flags), all);
  // One of two: the other is what was said elsewhere, or what upstream does.
  assert.deepEqual(of(theirs, { port: '9' }), ['1.1.1.1:9', '/theirs', 'https://theirs.example']);
  assert.deepEqual(of({}, { root: '/flag' }), ['127.0.0.1:8968', '/flag', undefined]);
  assert.deepEqual(of(ours, { storage: 'FILESYSTEM' }), ['2.2.2.2:2', '/ours', 'https://ours.example']);
  assert.deepEqual(
    seen({}, { databaseUrl: 'sqlite:db/registry.db', port: '1' }).notes[0]?.split(' ')[0],
    'DATABASE_URL',
  );
});

test('what upstream does by itself comes after a configuration file', async (t) => {
  const config = join(await temporaryDirectory(t), 'cairn.json');
  await writeFile(config, '{"listen":"4.4.4.4:4"}');
  const { listen } = seen(upstream({ ROOTDIR: '/theirs' }), { config });
  assert.deepEqual(listen, { host: '4.4.4.4', port: 4 });
});

test('variables of several servers are taken together, and where they disagree that is said', () => {
  const x07 = { X07_REGISTRY_DATA_DIR: '/data', DATABASE_URL: 'postgres://u:secret@db/x' };
  const pantry = { PANTRY_TOKEN: 'a-secret', S3_BUCKET: 'local' };
  const oci = upstream({ PORT: '9000' });
  const all = seen({ ...x07, ...pantry, ...oci });
  assert.deepEqual(all.listen, { host: '127.0.0.1', port: 9000 });
  assert.equal(all.dataDirectory, '/data');
  assert.equal(all.administratorToken, 'a-secret');
  // Said by two of them, printed once.
  assert.equal(all.notes.filter((note) => note.startsWith('DATABASE_URL')).length, 1);
  // Each says where its own surface is: both at the root, which is for the routes to refuse.
  assert.equal(seen({ ...x07, ...oci }).said.mounts?.['x07'], '/');
  assert.deepEqual(
    [all.said.mounts?.['x07'], all.said.mounts?.['pantry'], all.said.mounts?.['oci']],
    ['/', '/', '/v2'],
  );
  // Equal is no contradiction; and what is not asked for is none.
  assert.equal(seen({ ...x07, ...upstream({ ROOTDIR: '/data' }) }).dataDirectory, '/data');
  const buckets = { ...pantry, S3_BUCKET: 'one', ...upstream({ STORAGE: 'S3', S3_BUCKET: 'two' }) };
  assert.throws(() => seen(buckets), /disagree about CAIRN_BUCKET/);
  const disagreeing = { ...x07, ...upstream({ ROOTDIR: '/other' }), PANTRY_TOKEN: 'x', PORT: '1' };
  assert.throws(() => seen(disagreeing), {
    code: 'bad-request',
    message: 'variables of several servers disagree about CAIRN_DATA: say it in that word',
  });
  assert.throws(() => seen({ ...disagreeing, CAIRN_DATA: '/ours', OCI_REGISTRY_PORT: '2' }), /CAIRN_LISTEN/);
  assert.equal(seen({ ...disagreeing, CAIRN_DATA: '/ours' }, { listen: ':7' }).listen.port, 7);
});

test('upstream’s own command line starts a registry, and its configuration file can be named', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, '.env');
  await writeFile(file, `${dotenv}CAIRN_LOG_LEVEL=debug\n`);
  const words = ['--host', '127.0.0.1', '-p', '0', '-s', 'FILESYSTEM', '--root', join(directory, 'data')];
  const more = ['--url', 'http://registry.example', '--database-url', 'sqlite:db/registry.db'];
  const server = await cairnServe(t, [...words, ...more, '--dotenv', file]);
  const { stdout } = server.printed();
  assert.match(stdout, /^note {7}JWT_SECRET is ignored: tokens are signed by key pairs/m);
  assert.match(stdout, /^public URL http:\/\/registry\.example$/m);
  assert.match(stdout, /^oci {8}http:\/\/registry\.example\/v2\/$/m);
  assert.doesNotMatch(stdout, /postgres|AAAA/);
  assert.equal((await fetch(`${server.url}/v2/`)).status, 401);
  // Other commands find the same directory by it, and log as it says.
  await cairnOk(['user', 'add', 'ann', '--no-password', '--dotenv', file], {
    env: { OCI_REGISTRY_ROOTDIR: join(directory, 'data') },
  });
  assert.equal(await server.stop(), 0);
  assert.match(server.printed().stderr, /"level":20/);
  const missing = await cairn(['serve', '--dotenv', join(directory, 'none')]);
  assertRefused(missing, 2, /--dotenv .*none: .*ENOENT/);
  assertRefused(await cairn(['serve', '--host', 'x', '--listen', ':1']), 2, /^cairn: --host and --listen/);
  const help = await cairnOk(['serve', '--help']);
  assert.match(help, /--dotenv <file>/);
  assert.doesNotMatch(help, /--database-url/);
});
