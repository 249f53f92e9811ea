/** The Dockerfile, built and run for real: by the commands of `docs/operating.md`, in an engine that needs no daemon. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openContainers, withoutContainers, type Containers } from '../support/container.ts';
import { eventually } from '../support/eventually.ts';

const root = new URL('../..', import.meta.url).pathname;
const [, base = ''] = /^ARG BASE=(.*)$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8')) ?? [];

/** Of the machine, not of the image: no bridges, no limits to raise; a container has a network of its own and nobody else. */
const here = ['--network', 'none', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];

const locks = ['/data/log.git/cairn-writer.lock', '/data/private.git/cairn-writer.lock'];

/** The commands that the document shows, a list of words each. */
function documented(verb: string): string[][] {
  const text = readFileSync(join(root, 'docs/operating.md'), 'utf8');
  const [, section = ''] = /^## In a container\n([\s\S]*?)^## /m.exec(text) ?? [];
  const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const lines = blocks.join('').replaceAll('\\\n', ' ').split('\n');
  return lines.map((line) => line.split(/\s+/)).filter((words) => words[0] === 'docker' && words[1] === verb);
}

describe('a container', { skip: withoutContainers }, () => {
  let containers: Containers;

  before(() => {
    containers = openContainers();
    containers.makeNodeImage(base);
    const [[, ...build] = []] = documented('build');
    assert.deepEqual(build.slice(-3), ['-t', 'cairn', '.']);
    const local = ['--isolation', 'chroot', '--format', 'docker', '--pull=never', '--layers=false'];
    containers.ok([...build.slice(0, -1), ...local, root]);
  });
  after(() => containers.close());

  /** Runs the documented command as it is, except for what differs here: the network and the name. */
  function run(name: string, more: readonly string[] = []): void {
    const [[, ...words] = []] = documented('run');
    const port = words.indexOf('-p');
    // One that cannot start shall end, and not begin again.
    words.splice(port, 2, ...here, ...more, '--restart', 'no');
    words[words.indexOf('--name') + 1] = name;
    containers.ok(words);
  }

  function exec(name: string, command: readonly string[], input?: string | Buffer): string {
    return containers.ok(['exec', '--interactive', name, ...command], input);
  }

  function healthOf(name: string): number | null {
    return containers.podman(['healthcheck', 'run', name]).code;
  }

  function isHealthy(name: string): Promise<void> {
    return eventually(async () => assert.equal(healthOf(name), 0, containers.podman(['logs', name]).stderr));
  }

  /** Sends a request from inside; status and text of the answer. */
  function send(name: string, method: string, path: string, token = '', body?: Buffer): string {
    const script = `
      const [method, path, token] = process.argv.slice(1);
      const body = method === 'POST' ? require('node:fs').readFileSync(0) : undefined;
      fetch('http://127.0.0.1:8080' + path, { method, body, headers: { authorization: 'Bearer ' + token } })
        .then(async (answer) => console.log(answer.status, await answer.text()));`;
    return exec(name, ['node', '-e', script, method, path, token], body);
  }

  test('the image is small, runs as nobody in particular, and holds no more than it needs', (t) => {
    const inspect = (image: string, format: string): string =>
      containers.ok(['image', 'inspect', image, '--format', format]).trim();
    const added = Number(inspect('cairn', '{{.Size}}')) - Number(inspect(base, '{{.Size}}'));
    t.diagnostic(`the image adds ${(added / 1e6).toFixed(1)} MB to ${base}`);
    assert.ok(added < 50e6, String(added));
    assert.equal(inspect('cairn', '{{.Config.User}}'), '1000:1000');
    const list = ['run', '--rm', ...here, '--entrypoint', 'sh', 'cairn', '-c'];
    const files = containers.ok([...list, 'find /app -type f']).split('\n');
    assert.deepEqual(
      files.filter((path) => /\/(test|bench|docs)\/|\.env/.test(path.replace(/^\/app\/node_modules.*/, ''))),
      [],
    );
    assert.deepEqual(
      files.filter((path) => /^\/app\/node_modules\/(typescript|tsx|eslint)\//.test(path)),
      [],
    );
    assert.deepEqual(
      files.filter(
        (path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.includes('node_modules'),
      ),
      [],
    );
  });

  test('the documented commands serve a registry that outlives its container', async (t) => {
    run('first');
    await isHealthy('first');
    assert.match(exec('first', ['id']), /^uid=1000/);
    assert.match(
      exec('first', ['sh', '-c', 'touch /here || true; ls -d /here || echo read-only']),
      /read-only/,
    );
    const [token = ''] = /cairn_[0-9a-f]{64}/.exec(containers.ok(['logs', 'first'])) ?? [];
    const upload = execFileSync('tar', [
      '-C',
      join(root, 'docs/tour/acme-hello'),
      '-c',
      'x07-package.json',
      'modules',
    ]);
    assert.match(send('first', 'POST', '/x07/v1/packages/publish', token, upload), /^200 /);
    for (const [, , , ...command] of documented('exec')) exec('first', command);
    assert.match(exec('first', ['cairn', 'regen', '--check']), /^clean: \/data\/site is what 3 events give/);

    const began = Date.now();
    containers.ok(['stop', 'first']);
    t.diagnostic(`stopped after ${Date.now() - began} ms`);
    assert.equal(containers.ok(['inspect', 'first', '--format', '{{.State.ExitCode}}']).trim(), '0');

    run('second');
    await isHealthy('second');
    assert.match(send('second', 'GET', '/x07/index/ac/me/acme-hello'), /^200 .*"version":"1.0.0"/);
    assert.match(send('second', 'GET', '/x07/index/config.json'), /https:\/\/registry\.example\//);
    containers.ok(['stop', 'second']);
  });

  test('a second container beside a living one is refused, also under the same name of the host', async () => {
    run('living', ['--hostname', 'the-host']);
    await isHealthy('living');
    for (const host of ['the-host', 'another']) {
      run(`beside-${host}`, ['--hostname', host]);
      assert.equal(containers.ok(['wait', `beside-${host}`]).trim(), '6');
    }
    // Also once it has been there for long.
    exec('living', ['touch', '-d', '2 minutes ago', ...locks]);
    run('much-later', ['--hostname', 'the-host']);
    assert.equal(containers.ok(['wait', 'much-later']).trim(), '6');
    containers.ok(['stop', 'living']);
  });

  test("a container that was killed and removed is in nobody else's way for longer than a minute", async () => {
    run('killed');
    await isHealthy('killed');
    containers.ok(['kill', '--signal', 'KILL', 'killed']);
    containers.ok(['rm', '--force', 'killed']);
    // Younger, it could be one that is just starting.
    const words = ['run', '--rm', ...here, '-v', 'cairn-data:/data', '--entrypoint', 'touch', 'cairn'];
    containers.ok([...words, '-d', '2 minutes ago', ...locks]);
    run('let-in');
    await isHealthy('let-in');
    containers.ok(['stop', 'let-in']);
  });

  test('a container in which nothing answers is not healthy', () => {
    containers.ok(['run', '-d', '--name', 'asleep', ...here, '--entrypoint', 'sleep', 'cairn', '600']);
    assert.equal(healthOf('asleep'), 1);
  });
});
