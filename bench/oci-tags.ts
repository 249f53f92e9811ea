/** What a push costs in a repository that has had many: against one that has had few, of one registry. */
import { join } from 'node:path';
import { basic } from '../test/support/oci-api.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from '../test/support/server-process.ts';
import { digestOf } from '../core/digest.ts';
import { spreadOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { ask, pushBytes, pushManifest, type OciSource } from './oci-client.ts';
import { signatureOf, smallImage, tagOf, type Made, type OciShape } from './oci-registry.ts';
import { cpuMsOf, runCairn, runChild } from './processes.ts';

const env = { CAIRN_LOG_LEVEL: 'error', CAIRN_ECOSYSTEMS: 'oci', CAIRN_OCI_VISIBILITY: 'public' };
/** After a round: the roots follow a push by a second at most, and their work counts as well. */
const ROOTS_MS = 1_600;

export const ociTags: Bench = {
  name: 'oci-tags',
  title:
    'one push to a repository with many manifests against one with few: an image of two new blobs, a tag, a signature',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { many, few, rounds, pushes } =
    context.size === 'full'
      ? { many: 50_000, few: 50, rounds: 3, pushes: 10 }
      : { many: 500, few: 50, rounds: 2, pushes: 4 };
  const data = join(context.scratch(place), 'data');
  context.say(`oci-tags: making the registry, ${place.name}`);
  await makeOciRegistry(data, {
    'acme/many': { of: 'images', manifests: many },
    'acme/few': { of: 'images', manifests: few },
    'acme/many-signed': { of: 'signatures', manifests: many },
    'acme/few-signed': { of: 'signatures', manifests: few },
  });
  const server = await startServer({ isCompiled: true, data, env });
  context.say(`oci-tags: ${place.name}`);
  try {
    const rows: Row[] = [];
    for (const { what, of, work, times } of worksOf({
      url: server.url,
      headers: basic(['admin', ADMIN_TOKEN]),
    })) {
      const round = (repository: string): Promise<Round> =>
        roundOf(server, pushes * times, () => work(`acme/${repository}${of}`));
      for (const repository of ['many', 'few']) await round(repository);
      const measured = { ours: [] as Round[], baseline: [] as Round[] };
      for (let i = 0; i < rounds; i += 1) {
        measured.ours.push(await round('many'));
        measured.baseline.push(await round('few'));
      }
      rows.push(...rowsOf(`${what}, ${many} against ${few}, ${place.name}`, measured));
    }
    const source = { url: server.url, headers: basic(['admin', ADMIN_TOKEN]) };
    rows.push(
      await inTurn(source, `${many}, after a push elsewhere against after one there, ${place.name}`, pushes),
    );
    return rows;
  } finally {
    await server.stop();
  }
}

/** A registry as a server begins it, then filled, and its site. */
export async function makeOciRegistry(data: string, shape: OciShape): Promise<void> {
  const first = await startServer({ isCompiled: true, data, env });
  const source = { url: first.url, headers: basic(['admin', ADMIN_TOKEN]) };
  for (const name of Object.keys(shape))
    await push(source, name, smallImage(`the first of ${name}`), 'first');
  await first.stop();
  await runChild('generate-oci', data, JSON.stringify(shape));
  await runCairn('regen', '--data', data);
}

/** As clients do it: each blob is asked for, then sent. */
async function push(to: OciSource, name: string, { manifest, blobs }: Made, tag?: string): Promise<void> {
  for (const bytes of blobs) {
    const { status } = await fetch(`${to.url}/v2/${name}/blobs/${digestOf(bytes)}`, {
      method: 'HEAD',
      headers: to.headers,
    });
    if (status !== 200) await pushBytes(to, name, bytes);
  }
  await pushManifest(to, name, tag ?? digestOf(manifest), manifest);
}

interface Work {
  readonly what: string;
  /** Of which of the repositories. */
  readonly of: '' | '-signed';
  /** For those that take next to nothing. */
  readonly times: number;
  work(repository: string): Promise<unknown>;
}

let next = 0;

function worksOf(to: OciSource): readonly Work[] {
  const name = (): string => `new ${(next += 1)}`;
  return [
    {
      what: 'push of an image',
      of: '',
      times: 1,
      work: (repository) => push(to, repository, smallImage(name()), `new-${next}`),
    },
    {
      what: 'a tag moved',
      of: '',
      times: 1,
      work: (repository) =>
        pushManifest(to, repository, tagOf(7), smallImage(`${repository} ${(next += 1) % 2}`).manifest),
    },
    {
      what: 'push of a signature',
      of: '-signed',
      times: 1,
      work: (repository) => push(to, repository, signatureOf(name())),
    },
    {
      what: 'HEAD of a blob that is not there',
      of: '',
      times: 20,
      work: (repository) =>
        ask(to, 'HEAD', `${to.url}/v2/${repository}/blobs/${digestOf(Buffer.from(name()))}`, 404),
    },
  ];
}

interface Round {
  /** The typical one. */
  readonly ms: number;
  readonly cpuMs: number;
}

async function roundOf(
  { child }: ServerProcess,
  times: number,
  work: () => Promise<unknown>,
): Promise<Round> {
  const pid = child.pid ?? 0;
  const before = cpuMsOf(pid);
  const taken: number[] = [];
  for (let i = 0; i < times; i += 1) taken.push(await millisecondsOf(work));
  await new Promise((resume) => setTimeout(resume, ROOTS_MS));
  return { ms: spreadOf(taken).median, cpuMs: (cpuMsOf(pid) - before) / times };
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** What is kept of large repositories in memory must not go with every push to another. */
async function inTurn(to: OciSource, what: string, pushes: number): Promise<Row> {
  const pushTo = (repository: string): Promise<void> =>
    push(to, repository, smallImage(`new ${(next += 1)}`), `new-${next}`);
  const [ours, baseline]: [number[], number[]] = [[], []];
  for (let i = 0; i < pushes; i += 1) {
    for (const repository of ['acme/few', 'acme/few-signed']) await pushTo(repository);
    ours.push(await millisecondsOf(() => pushTo('acme/many')));
    baseline.push(await millisecondsOf(() => pushTo('acme/many')));
  }
  return { what: `push of an image to one of ${what}`, unit: 'ms', ours, baseline };
}

function rowsOf(what: string, { ours, baseline }: { ours: Round[]; baseline: Round[] }): Row[] {
  const row = (label: string, pick: (round: Round) => number): Row => ({
    what: `${label}, ${what}`,
    unit: 'ms',
    ours: ours.map(pick),
    baseline: baseline.map(pick),
  });
  return [row('time', ({ ms }) => ms), row('processor', ({ cpuMs }) => cpuMs)];
}
