/** Runs the README's tour as a newcomer would, and holds every line of its output against what comes out. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { followTour } from '../support/tour.ts';

const root = new URL('../..', import.meta.url).pathname;

test('the tour of the README does what it shows', async (t) => {
  const directory = await temporaryDirectory(t);
  const data = join(directory, 'cairn-data');
  const server = await startServer({ data, env: { CAIRN_ADMIN_TOKEN: 'secret' } });
  t.after(() => server.stop());
  await followTour({
    url: server.url,
    data,
    here: Object.fromEntries(
      ['acme-hello.x07pkg', 'my_lib-1.0.0.tar.gz', 'ori-greet.oripk'].map((name) => [
        name,
        join(directory, name),
      ]),
    ),
    run: (command) =>
      execFileSync('bash', ['-c', command], {
        cwd: root,
        encoding: 'utf8',
        env: { ...process.env, CAIRN_DATA: data },
      }),
  });
});
