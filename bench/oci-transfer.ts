/** A large image pushed and pulled: against the reference registry over the same disk, which syncs nothing. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { remoteControl } from '../api/control.ts';
import { closing, type Closing } from '../test/support/closing.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { basic } from '../test/support/oci-api.ts';
import { openOciDesk, type OciDesk } from '../test/support/oci-clients.ts';
import { startServer } from '../test/support/server-process.ts';
import { secondsOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { ask, pullImage, pushImage, type OciSource } from './oci-client.ts';
import { freshen, makeLargeImage, MEBIBYTE, TAG, type LargeImage } from './oci-image.ts';
import { cpuMsOf, removeTree, requireProgram, run } from './processes.ts';

const login = ['acme', 'correct horse battery'] as const;
/** Debian's `libeatmydata`: syncs that do nothing, to tell what they cost. */
const withoutSyncs = '/usr/lib/x86_64-linux-gnu/libeatmydata.so';

interface Server extends OciSource {
  readonly pid: number;
  /** As skopeo is told. */
  readonly credentials: readonly string[];
}

type Name = 'cairn' | 'reference' | 'unsynced';

export const ociTransfer: Bench = {
  name: 'oci-transfer',
  title:
    'push and pull of a large image, in MiB/s, against Debian’s docker-registry over the same disk, which syncs nothing',
  async run(context) {
    for (const program of ['docker-registry', 'skopeo', 'curl']) requireProgram(program, '--version');
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { mebibytes, rounds } =
    context.size === 'full' ? { mebibytes: 500, rounds: 3 } : { mebibytes: 20, rounds: 2 };
  const home = context.scratch(place);
  const opened = closing();
  try {
    const servers = await startServers(home, opened);
    const desk = await openOciDesk(opened, []);
    const rows: Row[] = [];
    for (const layers of [4, 1]) {
      const image = await makeLargeImage(join(home, 'image'), layers, (mebibytes / layers) * MEBIBYTE);
      const what = `${layers === 1 ? 'one layer' : `${layers} layers`} of ${mebibytes / layers} MiB, ${place.name}`;
      context.say(`oci-transfer: ${what}`);
      rows.push(
        ...(await compare(servers, {
          home,
          desk,
          image,
          what,
          mebibytes,
          rounds,
          isOnDisk: place.name === 'disk',
        })),
      );
      await removeTree(image.directory);
    }
    return rows;
  } finally {
    await opened.close();
  }
}

async function startServers(home: string, opened: Closing): Promise<Map<Name, Server>> {
  const reference = await startDockerRegistry(opened, { storage: join(home, 'reference') });
  const servers = new Map<Name, Server>([['reference', { ...reference, headers: {}, credentials: [] }]]);
  servers.set('cairn', await startCairn(join(home, 'cairn'), opened));
  if (existsSync(withoutSyncs))
    servers.set('unsynced', await startCairn(join(home, 'unsynced'), opened, { LD_PRELOAD: withoutSyncs }));
  return servers;
}

async function startCairn(
  data: string,
  opened: Closing,
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const settings = { CAIRN_LOG_LEVEL: 'error', CAIRN_ECOSYSTEMS: 'oci', CAIRN_OCI_VISIBILITY: 'public' };
  await mkdir(data, { recursive: true });
  const server = await startServer({ isCompiled: true, data, env: { ...settings, ...env } });
  opened.after(() => server.stop());
  const [handle, password] = login;
  await remoteControl(join(data, 'control.sock')).createAccount({ handle, password });
  return { url: server.url, pid: server.child.pid ?? 0, headers: basic(login), credentials: login };
}

interface Measuring {
  readonly home: string;
  readonly desk: OciDesk;
  readonly image: LargeImage;
  readonly what: string;
  readonly mebibytes: number;
  readonly rounds: number;
  readonly isOnDisk: boolean;
}

/** Megabytes and processor time of one server, by what it was asked for. */
type Measured = Map<string, { seconds: number[]; cpuSeconds: number[] }>;

const verbs = {
  push: 'push',
  pushAndSync: 'push, and all of it on the disk',
  pushBySkopeo: 'push by skopeo',
  pull: 'pull of what is public',
  pullPrivate: 'pull of what is private',
  pullBySkopeo: 'pull by skopeo',
} as const;

async function compare(servers: ReadonlyMap<Name, Server>, measuring: Measuring): Promise<Row[]> {
  const measured = new Map<Name, Measured>([...servers.keys()].map((name) => [name, new Map()]));
  let { image } = measuring;
  // The first round warms, and is not counted.
  for (let round = 0; round <= measuring.rounds; round += 1) {
    const note = async (name: Name, verb: string, work: () => unknown): Promise<void> => {
      const pid = servers.get(name)?.pid ?? 0;
      const before = cpuMsOf(pid);
      const seconds = await secondsOf(work);
      if (round === 0) return;
      const known = measured.get(name)?.get(verb) ?? { seconds: [], cpuSeconds: [] };
      measured.get(name)?.set(verb, known);
      known.seconds.push(seconds);
      known.cpuSeconds.push((cpuMsOf(pid) - before) / 1000);
    };
    const repository = `acme/app${round}-${image.layers.length}`;
    image = await freshen(image);
    for (const [name, server] of servers) {
      await quiet();
      const started = performance.now();
      await note(name, verbs.push, () => pushImage(server, repository, TAG, image));
      await quiet();
      if (measuring.isOnDisk && round > 0) noteSeconds(measured.get(name), verbs.pushAndSync, started);
    }
    for (const [name, server] of servers)
      await note(name, verbs.pull, () => pullImage(server, repository, TAG));
    for (const [name, server] of servers) {
      await setVisibility(name, server, repository, 'private');
      await note(name, verbs.pullPrivate, () => pullImage(server, repository, TAG));
      await setVisibility(name, server, repository, 'public');
    }
    image = await freshen(image);
    for (const [name, server] of servers) {
      await quiet();
      await note(name, verbs.pushBySkopeo, () => pushBySkopeo(measuring.desk, server, repository, image));
    }
    for (const [name, server] of servers) {
      await quiet();
      await note(name, verbs.pullBySkopeo, () => pullBySkopeo(measuring, server, repository));
      await removeTree(join(measuring.home, 'pulled'));
    }
  }
  return rowsOf(measured, measuring);
}

/** What others have left to be written would be counted to whoever syncs next. */
async function quiet(): Promise<void> {
  await run('sync', []);
}

function noteSeconds(measured: Measured | undefined, verb: string, started: number): void {
  const known = measured?.get(verb) ?? { seconds: [], cpuSeconds: [] };
  measured?.set(verb, known);
  known.seconds.push((performance.now() - started) / 1000);
}

/** Of the reference all is public. */
async function setVisibility(
  name: Name,
  server: Server,
  repository: string,
  visibility: string,
): Promise<void> {
  if (name === 'reference') return;
  await ask(server, 'PUT', `${server.url}/api/v1/${repository}/visibility`, 200, {
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ visibility })),
  });
}

function pushBySkopeo(
  desk: OciDesk,
  { url, credentials }: Server,
  repository: string,
  image: LargeImage,
): Promise<string> {
  return desk.ok(
    'skopeo',
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    ...(credentials.length > 0 ? ['--dest-creds', credentials.join(':')] : []),
    `oci:${image.directory}:${TAG}`,
    `docker://${new URL(url).host}/${repository}:by-skopeo`,
  );
}

function pullBySkopeo(
  { desk, home }: Measuring,
  { url, credentials }: Server,
  repository: string,
): Promise<string> {
  return desk.ok(
    'skopeo',
    '--insecure-policy',
    'copy',
    '--src-tls-verify=false',
    ...(credentials.length > 0 ? ['--src-creds', credentials.join(':')] : []),
    `docker://${new URL(url).host}/${repository}:by-skopeo`,
    `dir:${join(home, 'pulled')}`,
  );
}

function rowsOf(measured: ReadonlyMap<Name, Measured>, { what, mebibytes }: Measuring): Row[] {
  const row = (verb: string, other: Name, reach?: Row['reach']): Row[] => {
    const [ours, baseline] = [measured.get('cairn')?.get(verb), measured.get(other)?.get(verb)];
    if (!ours || !baseline) return [];
    const against = other === 'unsynced' ? ', against Cairn whose syncs do nothing' : '';
    const rate = (seconds: number): number => mebibytes / seconds;
    return [
      {
        what: `${verb}: ${what}${against}`,
        unit: 'MiB/s',
        ours: ours.seconds.map(rate),
        baseline: baseline.seconds.map(rate),
        ...(reach ? { reach } : {}),
      },
    ];
  };
  const cpu = (verb: string): Row => ({
    what: `processor time of the server, ${verb}: ${what}`,
    unit: 's',
    ours: measured.get('cairn')?.get(verb)?.cpuSeconds ?? [],
    baseline: measured.get('reference')?.get(verb)?.cpuSeconds ?? [],
  });
  const [push, pull] = [{ atLeast: 0.7 }, { atLeast: 1 }];
  return [
    ...row(verbs.push, 'reference', push),
    ...row(verbs.push, 'unsynced'),
    ...row(verbs.pushAndSync, 'reference', push),
    ...row(verbs.pushBySkopeo, 'reference', push),
    ...row(verbs.pull, 'reference', pull),
    ...row(verbs.pullPrivate, 'reference', pull),
    ...row(verbs.pullBySkopeo, 'reference', pull),
    cpu(verbs.push),
    cpu(verbs.pull),
    cpu(verbs.pullPrivate),
  ];
}
