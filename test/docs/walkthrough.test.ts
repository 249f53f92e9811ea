/** Holds `docs/walkthrough.md` against the code: its bytes and its names. `CAIRN_GOLDEN=write` rewrites the bytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { createApp } from '../../api/app.ts';
import { authenticator } from '../../api/auth.ts';
import { createMetrics } from '../../api/metrics.ts';
import type { Clock, Ids } from '../../core/ports.ts';
import { layout } from '../../bin/layout.ts';
import { createRegistry, openRegistry, type Registry } from '../../bin/open-registry.ts';
import { LogInSessions } from '../../core/log-in-sessions.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { accessTokensOf } from '../support/access-tokens.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';

const root = new URL('../..', import.meta.url).pathname;
const path = join(root, 'docs/walkthrough.md');
const token = 'secret';

function stillClock(): Clock {
  return { now: () => Date.parse('2026-03-04T05:06:07.890Z') };
}

function countingIds(): Ids {
  let count = 0;
  return {
    next: () => (count += 1).toString(16).padStart(32, '0'),
    secret: () => (count += 1).toString(16).padStart(64, '0'),
  };
}

/** Sends bytes and returns the bytes that come back, as they are on the wire. */
async function exchange(port: number, request: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

async function publishOnce(
  registry: Registry,
  command: (line: string) => void,
): Promise<{ request: string; response: string }> {
  const { state, writer, blobs, uploads, publisher, accounts } = registry;
  const accessTokens = accessTokensOf({
    accounts,
    clock: stillClock(),
    ids: countingIds(),
    keys: registry.accessKeys,
  });
  const app = createApp({
    surfaces: allSurfaces,
    state,
    writer: Object.assign(Object.create(writer) as typeof writer, {
      execute: (request: Parameters<typeof writer.execute>[0]) => {
        for (const planned of request.plan(state)) command(JSON.stringify(planned, null, 2));
        return writer.execute(request);
      },
    }),
    blobs,
    uploads,
    site: registry.siteReader,
    auth: authenticator({
      accounts,
      accessTokens,
      clock: stillClock(),
      administratorToken: token,
      bootstrapSecret: undefined,
    }),
    counters: registry.counters,
    metrics: createMetrics(
      { queueDepth: () => 0, logEvents: () => 0, siteEvents: () => 0, siteAgeSeconds: () => 0 },
      '0',
    ),
    corsOrigins: [],
    version: '0',
    log: registry.log,
    accounts,
    accessTokens,
    keyring: registry.keys,
    ids: countingIds(),
    logIns: new LogInSessions({ clock: stillClock(), ids: countingIds() }),
    clock: stillClock(),
    visible: (seq) => publisher.visible(seq),
    health: () => ({ ready: true, problems: [], events: 0, onSite: 0 }),
    onRequest: () => undefined,
    onError: (error) => assert.fail(error as Error),
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const archive = packX07({ name: 'acme-hello', version: '0.2.0' });
  const head = [
    'POST /x07/v1/packages/publish HTTP/1.1',
    'host: registry.example',
    `authorization: Bearer ${token}`,
    'user-agent: ureq/3.1.4',
    'accept: */*',
    'accept-encoding: gzip',
    'content-type: application/octet-stream',
    `content-length: ${archive.length}`,
    'connection: close',
    '',
    '',
  ].join('\r\n');
  const response = await exchange(
    (server.address() as AddressInfo).port,
    Buffer.concat([Buffer.from(head), archive]),
  );
  server.close();
  return { request: `${head}(${archive.length} bytes: an uncompressed tar)`, response };
}

/** What varies by nature: the id of a request, the date of an answer. */
function settled(text: string): string {
  return text
    .replaceAll('\r', '')
    .replace(/x-request-id: [0-9a-f]{32}/, 'x-request-id: …')
    .replace(/Date: .*/, 'Date: …')
    .trim();
}

test('the walkthrough shows the bytes that a publish produces', async (t) => {
  const data = await temporaryDirectory(t);
  const ids = countingIds();
  const registry = await openRegistry({ dataDirectory: data, clock: stillClock(), ids });
  await createRegistry(
    registry,
    { publicUrl: 'https://registry.example', mounts: { x07: '/x07' } },
    stillClock(),
    ids,
  );
  await registry.generator.update();
  let command = '';
  const { request, response } = await publishOnce(registry, (line) => (command = line));
  await registry.close();
  const paths = layout(data);
  const lines = [1, 2].map(
    (seq) =>
      execFileSync('git', ['show', 'main:log/0000/000000.ndjson'], {
        cwd: paths.log,
        encoding: 'utf8',
      }).split('\n')[seq],
  );
  const blocks: Record<string, string> = {
    request: settled(request),
    command,
    blob: filesBelow(join(data, 'blobs/sha256'))
      .map((file) => `blobs/sha256/${file}`)
      .join('\n'),
    lines: lines.join('\n'),
    commit: execFileSync('git', ['cat-file', '-p', 'main'], { cwd: paths.log, encoding: 'utf8' }).trim(),
    progress: readFileSync(join(paths.site, '=progress.json'), 'utf8').trim(),
    files: filesBelow(paths.site)
      .filter((file) => file.includes('acme-hello'))
      .join('\n'),
    entry: readFileSync(join(paths.site, 'x07/index/ac/me/acme-hello'), 'utf8').trim(),
    response: settled(response),
  };
  const shown = readFileSync(path, 'utf8');
  const wanted = Object.entries(blocks).reduce((text, [name, block]) => {
    const pattern = new RegExp(`(<!-- ${name} -->\\n\\n\`\`\`\\n)[\\s\\S]*?(\`\`\`)`);
    assert.match(text, pattern, `the walkthrough has a block for ${name}`);
    return text.replace(pattern, (_, before: string, after: string) => `${before}${block}\n${after}`);
  }, shown);
  if (process.env['CAIRN_GOLDEN'] === 'write') writeFileSync(path, wanted);
  else assert.equal(shown, wanted, 'run `npm run golden` and read the difference');
});

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

test('every function that the walkthrough names is in the file it names', () => {
  const named = [
    ...readFileSync(path, 'utf8').matchAll(
      /`([A-Za-z.]+)`(?: and `([A-Za-z.]+)`)?\s+\(`([a-z0-9/-]+\.ts)`\)/g,
    ),
  ];
  assert.ok(named.length >= 12, `${named.length} functions are named with their files`);
  for (const [, first = '', second, file = ''] of named) {
    assert.ok(existsSync(join(root, file)), file);
    const source = readFileSync(join(root, file), 'utf8');
    for (const name of [first, second])
      for (const part of name?.split('.') ?? [])
        assert.match(source, new RegExp(`\\b${part}\\b`), `${name} in ${file}`);
  }
});
