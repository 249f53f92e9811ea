/** Follows `docs/adding-an-ecosystem.md` to the letter, in a copy of this project, and then uses what came of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = new URL('../..', import.meta.url).pathname;
const run = promisify(execFile);

interface Block {
  readonly path: string;
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, path = '', text = '']) => ({
    path,
    text,
  }));
}

/** What stands on the page, done: a new file, or the change that it shows of one. */
async function follow(copy: string, { path, text }: Block): Promise<void> {
  const target = join(copy, path);
  const change = async (from: RegExp, to: string): Promise<void> => {
    const before = await readFile(target, 'utf8');
    assert.match(before, from, `${path} is not as the page takes it to be`);
    await writeFile(
      target,
      before.replace(from, () => to),
    );
  };
  const lines = text.trimEnd().split('\n');
  switch (path) {
    case 'schema/event.schema.json':
      return change(/"enum": \["x07", "npm"[^\]]*\],/, text.trimEnd());
    case 'ecosystems/index.ts':
      await change(/^export const ecosystems: [\s\S]*?^};$/m, lines.slice(1).join('\n'));
      return change(/^import/m, `${lines[0]}\nimport`);
    case 'test/ecosystems/examples.ts':
      // The last thing in it.
      return change(/};\n$/, `${text}};\n`);
    default:
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
  }
}

test('whoever does what the page says has a new ecosystem', async (t) => {
  const copy = await temporaryDirectory(t);
  const folders = [
    'api',
    'bin',
    'core',
    'ecosystems',
    'generator',
    'schema',
    'stores',
    'surfaces',
    'test',
    'docs',
    'bench',
  ];
  for (const name of [...folders, 'package.json', 'tsconfig.json', 'eslint.config.ts'])
    await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const page = await readFile(join(root, 'docs/adding-an-ecosystem.md'), 'utf8');
  const blocks = blocksOf(page);
  assert.ok(blocks.length >= 8, `${blocks.length} blocks`);
  for (const block of blocks) await follow(copy, block);

  // A test runner that finds itself inside another one prints nothing.
  const { NODE_TEST_CONTEXT: _outer, ...env } = process.env;
  const node = (...args: string[]) => run(process.execPath, args, { cwd: copy, env });
  await node('--import', 'tsx', 'schema/generate.ts');
  await node('node_modules/typescript/bin/tsc', '--noEmit').catch((error: { stdout?: string }) =>
    assert.fail(`it does not compile:\n${error.stdout}`),
  );
  const { stdout } = await node('--import', 'tsx', '--test', 'test/ecosystems/contract.test.ts');
  assert.match(stdout, /the surface notes of notes/);

  const data = await temporaryDirectory(t);
  const server = await startServer({ data, project: copy, env: { CAIRN_ADMIN_TOKEN: 'secret' } });
  t.after(() => server.stop());
  await writeFile(join(data, 'todo.txt'), 'Buy milk.');
  const shell = /^```console\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
  for (const step of shell.trimEnd().split(/^\$ /m).filter(Boolean)) {
    const [command = '', ...wanted] = step.trimEnd().split('\n');
    const here = command.replaceAll('http://127.0.0.1:8080', server.url).replace('curl', 'curl -s');
    const answered = await run('bash', ['-c', here], { cwd: data });
    assert.equal(answered.stdout, wanted.join('\n'), command);
  }
  assert.equal(await (await fetch(`${server.url}/notes/todo/1`)).text(), 'Buy milk.');
  const again = await fetch(`${server.url}/notes/todo/1`, {
    method: 'PUT',
    headers: { authorization: 'Bearer secret' },
    body: 'Buy bread.',
  });
  assert.equal(again.status, 409);
  const document = await (await fetch(`${server.url}/-/cairn/openapi.json`)).text();
  assert.match(document, /"\/notes\/\{name\}\/\{version\}"/);
});
