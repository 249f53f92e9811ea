import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitCodeOf, explain } from '../../bin/exit-codes.ts';
import { readOptions, type Flags } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import '../support/test-server.ts';

/** What `cairn serve` prints and ends with, without a process for every row. */
async function refusalOf(flags: Flags, env: Record<string, string>): Promise<{ code: number; text: string }> {
  try {
    const server = await serve(readOptions(flags, env), () => undefined);
    await server.stop();
  } catch (error) {
    return { code: exitCodeOf(error), text: explain(error) };
  }
  return { code: 0, text: 'it was served' };
}

test('settings that cannot be are refused in a sentence that names them, and nothing is made', async (t) => {
  const directory = await temporaryDirectory(t);
  const data = join(directory, 'data');
  const config = async (name: string, text: string): Promise<Flags> => {
    await writeFile(join(directory, name), text);
    return { config: join(directory, name) };
  };
  const taken = createServer();
  await new Promise<void>((ready) => taken.listen(0, '127.0.0.1', ready));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const file = (await config('a-file', '{"listen": ')).config ?? '';
  const rows: readonly (readonly [flags: Flags, env: Record<string, string>, code: number, says: RegExp])[] =
    [
      [{ listen: `127.0.0.1:${port}` }, {}, 3, /in use.*--listen HOST:PORT/],
      [{ listen: 'nonsense' }, {}, 2, /nonsense: use HOST:PORT/],
      [{ listen: '127.0.0.1:99999' }, {}, 2, /use HOST:PORT/],
      [{ listen: '127.0.0.1:-1' }, {}, 2, /use HOST:PORT/],
      [{ listen: '127.0.0.1:' }, {}, 2, /use HOST:PORT/],
      [{}, { CAIRN_LISTEN: 'x:y' }, 2, /x:y: use HOST:PORT/],
      [{ listen: 'no-such-host.invalid:8080' }, {}, 2, /cannot listen on no-such-host\.invalid.*--listen/],
      [{ publicUrl: 'registry.example' }, {}, 2, /origin such as https:/],
      [{ publicUrl: 'https://registry.example/packages' }, {}, 2, /without a path/],
      [{ publicUrl: 'https://user@registry.example' }, {}, 2, /origin such as https:/],
      [{ publicUrl: 'https://registry.example?a' }, {}, 2, /origin such as https:/],
      [{}, { CAIRN_PUBLIC_URL: 'ftp://registry.example' }, 2, /origin such as https:/],
      [{ config: join(directory, 'missing.json') }, {}, 2, /missing\.json.*ENOENT/],
      [{ config: directory }, {}, 2, /--config/],
      [{ config: file }, {}, 2, /a-file.*JSON/],
      [await config('list.json', '[]'), {}, 2, /list\.json.*object/],
      [await config('null.json', 'null'), {}, 2, /null\.json.*object/],
      [
        await config('typo.json', '{"pubicUrl":"https://a.example"}'),
        {},
        2,
        /no setting pubicUrl.*publicUrl/,
      ],
      [await config('inherited.json', '{"toString":"x"}'), {}, 2, /no setting toString/],
      [await config('port.json', '{"listen":8080}'), {}, 2, /listen.*type/],
      [await config('relative.json', '{"mounts":{"x07":"relative"}}'), {}, 2, /SURFACE=\/PATH/],
      [await config('words.json', '{"mounts":"x07=/"}'), {}, 2, /mounts.*type/],
      [await config('number.json', '{"mounts":{"x07":1}}'), {}, 2, /mounts.*type/],
      [await config('prefix.json', '{"x07":{"verifiedNamespaces":["A B"]}}'), {}, 2, /verifiedNamespaces/],
      [await config('url.json', '{"publicUrl":"/"}'), {}, 2, /origin such as https:/],
      [{}, { CAIRN_MOUNTS: 'x07' }, 2, /SURFACE=\/PATH/],
      [{}, { CAIRN_MOUNTS: 'x07=/a=b' }, 2, /SURFACE=\/PATH/],
      [{}, { CAIRN_MOUNTS: 'x07=/a b' }, 2, /mounts/],
      [{}, { CAIRN_MOUNTS: 'x07=/../..' }, 2, /SURFACE=\/PATH/],
      [{}, { CAIRN_MOUNTS: 'x07=/a/./b' }, 2, /SURFACE=\/PATH/],
      [{}, { CAIRN_MOUNTS: 'cobol=/' }, 2, /no surface cobol.*x07/],
      [{}, { CAIRN_ECOSYSTEMS: 'x07,cobol' }, 2, /no ecosystem cobol.*x07/],
      [{ registration: 'opne' }, {}, 2, /--registration opne: use one of closed, open, invited/],
      [{}, { CAIRN_LIMITS_REDIS: '127.0.0.1:6379' }, 2, /CAIRN_LIMITS_REDIS: use a URL such as redis:/],
      [{}, { CAIRN_LIMITS_REDIS: 'http://secret@redis.example' }, 2, /^[^]*use a URL(?![^]*secret)/],
      [{}, { CAIRN_LIMITS: 'x07=many' }, 2, /x07=many: requests a minute are whole numbers/],
      [await config('limits.json', '{"limits":{"x07":5}}'), {}, 2, /limits.*type/],
      [{}, { CAIRN_TRUSTED_PROXIES: 'everybody' }, 2, /"everybody" is no network/],
      [{}, { CAIRN_TOKENS: 'npm:short' }, 2, /CAIRN_TOKENS: a token has 16/],
      [{}, { CAIRN_REGISTRATION: 'Open' }, 2, /--registration Open: use one of/],
      [await config('doors.json', '{"registration":true}'), {}, 2, /registration.*type/],
      [{ npmFallback: 'nonsense' }, {}, 2, /npm fallback must be a URL/],
      [{}, { CAIRN_NPM_FALLBACK: 'file:///etc' }, 2, /npm fallback must be a URL/],
      [
        {},
        { CAIRN_NPM_FALLBACK: 'https://u:secret@registry.example' },
        2,
        /^(?!.*secret).*without credentials/,
      ],
      [{}, { NPM_FALLBACK: 'https://registry.example/?a' }, 2, /npm fallback must be a URL/],
      [{}, { CAIRN_NPM_FALLBACK_TARBALLS: 'both' }, 2, /both: use redirect or stream/],
      ...['59', '3601', '300s', '-300', '1e3', '60.5'].map(
        (seconds) =>
          [
            {},
            { CAIRN_ACCESS_TOKEN_SECONDS: seconds },
            2,
            new RegExp(`CAIRN_ACCESS_TOKEN_SECONDS=${seconds}: use a whole number from 60 to 3600`),
          ] as const,
      ),
      [await config('short.json', '{"accessTokenSeconds":1.5}'), {}, 2, /=1\.5: use a whole number/],
      [await config('text.json', '{"accessTokenSeconds":"300"}'), {}, 2, /accessTokenSeconds.*type/],
      [{}, { CAIRN_OCI_VISIBILITY: 'Public' }, 2, /oci\/defaultVisibility must be equal to one of/],
      [{}, { CAIRN_OCI_NAMESPACES: 'any' }, 2, /oci\/namespaces must be equal to one of/],
      [{}, { CAIRN_OCI_ANONYMOUS: 'all' }, 2, /oci\/anonymous must be equal to one of/],
      [await config('oci.json', '{"oci":{"anonymous":true}}'), {}, 2, /oci\/anonymous must be/],
      [await config('images.json', '{"oci":"public"}'), {}, 2, /oci.*type/],
      [{}, { CAIRN_ORI_PRERELEASES: 'no' }, 2, /ori\/prereleases must be equal to one of/],
      [await config('ori.json', '{"ori":"no"}'), {}, 2, /ori.*type/],
      [{}, { CAIRN_MOUNTS: 'oci=/images' }, 2, /oci=\/images: it can stand at \/v2 only/],
      [{}, { CAIRN_MOUNTS: 'oci-auth=/auth' }, 2, /no surface oci-auth/],
      [await config('fallback.json', '{"npmFallback":1}'), {}, 2, /npmFallback.*type/],
      [{ data: file }, {}, 2, /a-file cannot be used.*--data DIR/],
      [{ data: join(file, 'below') }, {}, 2, /below cannot be used.*--data DIR/],
    ];
  for (const [flags, env, code, says] of rows) {
    const refusal = await refusalOf({ data, ...flags }, { CAIRN_LISTEN: '127.0.0.1:0', ...env });
    const about = JSON.stringify({ ...flags, ...env });
    assert.equal(refusal.code, code, `${about}: ${refusal.text}`);
    assert.match(refusal.text, says);
    assert.ok(refusal.text.split('\n').length === 1, `${about}: ${refusal.text}`);
    assert.ok(!existsSync(join(data, 'log.git')), about);
  }
});

test('a flag comes before the environment, the environment before the file', async (t) => {
  const directory = await temporaryDirectory(t);
  const config = join(directory, 'cairn.json');
  const file = {
    data: '/of/file',
    listen: '1.1.1.1:1',
    publicUrl: 'https://file.example',
    mounts: { x07: '/file' },
    registration: 'invited',
    accessTokenSeconds: 60,
  };
  await writeFile(config, JSON.stringify(file));
  const env = {
    CAIRN_DATA: '/of/environment',
    CAIRN_LISTEN: '2.2.2.2:2',
    CAIRN_PUBLIC_URL: 'https://environment.example',
    CAIRN_MOUNTS: 'x07=/environment',
    CAIRN_REGISTRATION: 'open',
    CAIRN_ACCESS_TOKEN_SECONDS: '3600',
  };
  const flags = {
    data: '/of/flag',
    listen: '3.3.3.3:3',
    publicUrl: 'https://flag.example',
    registration: 'closed',
  };
  const seen = (options: ReturnType<typeof readOptions>) => [
    options.dataDirectory,
    options.listen,
    options.said.publicUrl,
    options.said.mounts,
    options.registration,
    options.accessTokenSeconds,
  ];
  assert.deepEqual(seen(readOptions({ config }, {})), [
    '/of/file',
    { host: '1.1.1.1', port: 1 },
    'https://file.example',
    { x07: '/file', npm: '/npm', zig: '/zig', oci: '/v2', run: '/run', ori: '/ori', pantry: '/pantry' },
    'invited',
    60,
  ]);
  assert.deepEqual(seen(readOptions({ config }, env)), [
    '/of/environment',
    { host: '2.2.2.2', port: 2 },
    'https://environment.example',
    {
      x07: '/environment',
      npm: '/npm',
      zig: '/zig',
      oci: '/v2',
      run: '/run',
      ori: '/ori',
      pantry: '/pantry',
    },
    'open',
    3600,
  ]);
  assert.deepEqual(seen(readOptions({ config, ...flags }, env)), [
    '/of/flag',
    { host: '3.3.3.3', port: 3 },
    'https://flag.example',
    {
      x07: '/environment',
      npm: '/npm',
      zig: '/zig',
      oci: '/v2',
      run: '/run',
      ori: '/ori',
      pantry: '/pantry',
    },
    'closed',
    3600,
  ]);
});

test('what is left unsaid is left to the registry', () => {
  const { said, listen, administratorToken, registration, accessTokenSeconds } = readOptions(
    {},
    { CAIRN_PUBLIC_URL: ' ', CAIRN_ADMIN_TOKEN: '' },
  );
  assert.deepEqual(said, {
    publicUrl: undefined,
    mounts: undefined,
    x07: undefined,
    npm: undefined,
    oci: undefined,
    ori: undefined,
  });
  assert.deepEqual(listen, { host: '127.0.0.1', port: 8080 });
  assert.equal(administratorToken, undefined);
  assert.equal(registration, 'closed');
  assert.equal(accessTokenSeconds, 300);
});

test('settings of images are read word by word, and what is none of the words is refused', () => {
  const { said } = readOptions(
    {},
    { CAIRN_OCI_VISIBILITY: 'public', CAIRN_OCI_NAMESPACES: 'first-push', CAIRN_OCI_ANONYMOUS: 'push' },
  );
  assert.deepEqual(said.oci, { defaultVisibility: 'public', namespaces: 'first-push', anonymous: 'push' });
  assert.throws(() => readOptions({}, { CAIRN_OCI_VISIBILITY: 'secret' }), /defaultVisibility/);
});

test('whether Ori takes pre-releases is said by the environment, or by the file', async (t) => {
  const config = join(await temporaryDirectory(t), 'cairn.json');
  await writeFile(config, '{"ori":{"prereleases":"allowed"}}');
  assert.deepEqual(readOptions({ config }, {}).said.ori, { prereleases: 'allowed' });
  const refused = readOptions({ config }, { CAIRN_ORI_PRERELEASES: 'refused' });
  assert.deepEqual(refused.said.ori, { prereleases: 'refused' });
});

test('what clients have fixed the place of cannot be moved', () => {
  assert.throws(() => readOptions({}, { CAIRN_MOUNTS: 'oci=/images' }), /oci=\/images.*\/v2/);
  assert.throws(() => readOptions({}, { CAIRN_MOUNTS: 'oci-auth=/auth' }), /there is no surface oci-auth/);
});

test('what is said of repositories of images is taken together, word by word', async (t) => {
  const config = join(await temporaryDirectory(t), 'cairn.json');
  await writeFile(config, '{"oci":{"defaultVisibility":"public","namespaces":"own"}}');
  const env = {
    CAIRN_OCI_VISIBILITY: 'private',
    CAIRN_OCI_NAMESPACES: 'first-push',
    CAIRN_OCI_ANONYMOUS: 'push',
  };
  const seen = (flags: Flags, given: Record<string, string> = {}): unknown =>
    readOptions(flags, given).said.oci;
  assert.equal(seen({}), undefined);
  assert.deepEqual(seen({}, { CAIRN_OCI_ANONYMOUS: 'pull' }), { anonymous: 'pull' });
  assert.deepEqual(seen({ config }), { defaultVisibility: 'public', namespaces: 'own' });
  assert.deepEqual(seen({ config }, { CAIRN_OCI_NAMESPACES: 'first-push' }), {
    defaultVisibility: 'public',
    namespaces: 'first-push',
  });
  assert.deepEqual(seen({ config }, env), {
    defaultVisibility: 'private',
    namespaces: 'first-push',
    anonymous: 'push',
  });
  assert.deepEqual(readOptions({}, { CAIRN_ECOSYSTEMS: 'oci' }).said.mounts, { oci: '/v2' });
});

test('an address is understood as people write it', () => {
  const rows = [
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['localhost:0', 'localhost', 0],
    ['[::1]:8080', '::1', 8080],
    [':9000', '0.0.0.0', 9000],
    ['9000', '127.0.0.1', 9000],
  ] as const;
  for (const [listen, host, port] of rows)
    assert.deepEqual(readOptions({ listen }, {}).listen, { host, port }, listen);
});

test('the npm fallback is on unless it is said to be off, and a word of its own comes before the common one', async (t) => {
  const directory = await temporaryDirectory(t);
  const config = join(directory, 'cairn.json');
  await writeFile(config, '{"npmFallback":false,"npmFallbackTarballs":"stream"}');
  const seen = (flags: Flags, env: Record<string, string> = {}) => readOptions(flags, env).npmFallback;
  const url = 'https://registry.example/npm';
  assert.deepEqual(seen({}), { upstream: 'machine', archives: 'redirect' });
  assert.deepEqual(seen({ config }), { upstream: 'off', archives: 'stream' });
  for (const word of ['true', 'TRUE'])
    assert.equal(seen({ config }, { NPM_FALLBACK: word }).upstream, 'machine');
  for (const word of ['false', 'off', 'False'])
    assert.equal(seen({}, { NPM_FALLBACK: word }).upstream, 'off');
  assert.deepEqual(seen({}, { CAIRN_NPM_FALLBACK: `${url}//`, NPM_FALLBACK: 'false' }).upstream, { url });
  assert.equal(seen({ npmFallback: 'false' }, { CAIRN_NPM_FALLBACK: url }).upstream, 'off');
  assert.equal(seen({}, { CAIRN_NPM_FALLBACK_TARBALLS: 'stream' }).archives, 'stream');
});

test("a first line says who is asked for npm packages: whoever this machine's own npm asks", async (t) => {
  const directory = await temporaryDirectory(t);
  const before = process.env['npm_config_registry'];
  t.after(() => {
    if (before === undefined) delete process.env['npm_config_registry'];
    else process.env['npm_config_registry'] = before;
  });
  const linesOf = async (registry: string, env: Record<string, string> = {}): Promise<string[]> => {
    process.env['npm_config_registry'] = registry;
    const lines: string[] = [];
    const data = join(directory, 'data');
    const server = await serve(readOptions({ data, listen: '127.0.0.1:0' }, env), (line) => lines.push(line));
    await server.stop();
    return lines.filter((line) => line.startsWith('fallback'));
  };
  assert.deepEqual(await linesOf('https://registry.example/npm/'), [
    'fallback   npm packages that are not here: https://registry.example/npm (tarballs: redirect)',
  ]);
  const [off = '', ...others] = await linesOf('https://user:secret@registry.example/');
  assert.match(off, /^fallback {3}off: npm's configuration on this machine must be a URL/);
  assert.doesNotMatch(off, /secret/);
  assert.deepEqual(others, []);
  assert.deepEqual(await linesOf('https://registry.example/', { NPM_FALLBACK: 'false' }), []);
  // Said on purpose, a registry that asks itself is refused.
  const itself = { publicUrl: 'http://registry.example', npmFallback: 'http://registry.example/npm/' };
  const flags = { data: join(directory, 'other'), listen: '127.0.0.1:0', ...itself };
  await assert.rejects(
    serve(readOptions(flags, {}), () => undefined),
    { code: 'bad-request' },
  );
});
