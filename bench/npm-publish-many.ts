/** What a long history costs an npm package: its document names every version, and is written whole with each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inLanes } from '../test/support/lanes.ts';
import { publish } from '../test/support/npm-registries.ts';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { alternate, secondsOf, type Bench } from './measure.ts';

const LANES = 32;

export const npmPublishMany: Bench = {
  name: 'npm-publish-many',
  title:
    'one npm publish over HTTP: the next version of a package that has thousands, against the second of another',
  async run({ size, places, scratch, say }) {
    const place = places[0];
    if (!place) return [];
    const { versions, rounds } =
      size === 'full' ? { versions: 5_000, rounds: 20 } : { versions: 500, rounds: 5 };
    const server = await startServer({
      isCompiled: true,
      data: join(scratch(place), 'data'),
      env: { CAIRN_LOG_LEVEL: 'error', NPM_FALLBACK: 'false' },
    });
    const pid = server.child.pid ?? 0;
    const to = { registry: `${server.url}/npm`, token: ADMIN_TOKEN };
    try {
      say(`npm-publish-many: ${versions} versions`);
      await publish({ name: 'many', version: '1.0.0' }, to);
      await inLanes(LANES, async (lane) => {
        for (let i = 1; i < versions; i += 1)
          if (i % LANES === lane) await publish({ name: 'many', version: `1.0.${i}` }, to);
      });
      const bytes = { ours: [] as number[], baseline: [] as number[] };
      const measured = async (name: string, version: string, written: number[]): Promise<number> => {
        const before = bytesWritten(pid);
        const seconds = await secondsOf(() => publish({ name, version }, to));
        written.push((bytesWritten(pid) - before) / 1024);
        return seconds * 1000;
      };
      let [next, others] = [versions, 0];
      const times = await alternate(
        rounds,
        () => measured('many', `1.0.${next++}`, bytes.ours),
        async () => {
          const name = `other-${others++}`;
          await publish({ name, version: '1.0.0' }, to);
          return measured(name, '1.0.1', bytes.baseline);
        },
      );
      const what = `version ${versions + 1} against version 2`;
      return [
        { what, unit: 'ms', ...times },
        { what: `written, ${what}`, unit: 'KiB', ...bytes },
      ];
    } finally {
      await server.stop();
    }
  },
};

/** By all its threads, to files and connections. */
function bytesWritten(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}
