/** Results as people read them, and `RESULTS.md`, which keeps the last run of every bench. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { format } from 'prettier';
import { isReached, ratiosOf, spreadOf, type Bench, type Place, type Row, type Size } from './measure.ts';
import { run } from './processes.ts';

const file = new URL('RESULTS.md', import.meta.url);

const introduction = `# Results

Each row compares two things measured in turn in one run, as minimum / median / maximum. The ratio is ours over the
baseline, pair by pair, and its median is held against the figure to reach. Run them with \`npm run bench\`.
`;

/** Everything a reader needs to judge the numbers by. */
export async function describeMachine(places: readonly Place[]): Promise<string> {
  const processors = cpus();
  const git = (await run('git', ['--version'])).trim();
  const disks = await Promise.all(
    places.map(async ({ name, directory }) => {
      const type = (await run('stat', ['-f', '-c', '%T', directory])).trim();
      return `${name}: ${type}`;
    }),
  );
  return (
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release().split('.').slice(0, 2).join('.')}, Node ${process.version}, ${git}, ${disks.join(', ')}`
  );
}

export function tableOf(rows: readonly Row[], size: Size): string {
  const lines = rows.map((row) => {
    const reached = isReached(row);
    return [
      row.what,
      `${show(row.ours)} ${row.unit}`,
      `${show(row.baseline)} ${row.unit}`,
      show(ratiosOf(row)),
      row.reach ? ('atMost' in row.reach ? `≤ ${row.reach.atMost}` : `≥ ${row.reach.atLeast}`) : '',
      // Start-up and caches decide what a small registry costs: a figure says nothing about it.
      reached === undefined || size === 'small' ? '' : reached ? 'met' : '**missed**',
    ];
  });
  const head = ['what', 'ours', 'baseline', 'ratio', 'reach', ''];
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function show(values: readonly number[]): string {
  const { min, median, max } = spreadOf(values);
  return [min, median, max].map(digits).join(' / ');
}

/** Three digits that count. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export async function writeSection(bench: Bench, body: string, machine: string): Promise<void> {
  const old = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split(/^(?=## )/m)
        .slice(1)
    : [];
  const section = `## ${bench.name}\n\n${bench.title}\n\n${machine}\n\n${body}\n\n`;
  const others = old.filter((text) => !text.startsWith(`## ${bench.name}\n`));
  const text = [`${introduction}\n`, ...[...others, section].sort()].join('');
  writeFileSync(file, await format(text, { parser: 'markdown', printWidth: 110 }));
}
