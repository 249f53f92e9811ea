/** A real application installed with an empty cache: from the embedded server, from nginx over its site, from verdaccio. */
import { join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { closing, type Closing } from '../test/support/closing.ts';
import { clientNamed } from '../test/support/npm-clients.ts';
import { openProject } from '../test/support/npm-project.ts';
import { freePort, startNginx } from '../test/support/nginx.ts';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { Absent, secondsOf, type Bench, type Row } from './measure.ts';
import { fetchApplication, publishAll, type Application } from '../test/support/npm-application.ts';
import { cpuMsOf, requireProgram } from './processes.ts';
import { startVerdaccio, VERDACCIO_VERSION } from './verdaccio.ts';

/** Not of the registry: building, and questions that a static site cannot answer. */
const flags = ['--ignore-scripts', '--no-audit', '--no-fund'];
const names = {
  cairn: 'cairn serve',
  nginx: 'nginx over its site',
  verdaccio: `verdaccio ${VERDACCIO_VERSION}`,
};

interface Source {
  readonly name: string;
  /** What a client is given as its registry. */
  readonly registry: string;
  readonly pid: number;
}

interface Measured {
  readonly seconds: number;
  readonly cpuMs: number;
}

export const npmInstall: Bench = {
  name: 'npm-install',
  title: 'npm install of a real application with an empty cache, by where it comes from',
  async run({ size, places, scratch, say }) {
    requireProgram('nginx', '-v');
    const place = places[0];
    if (!place) return [];
    const home = scratch(place);
    const opened = closing();
    try {
      say('npm-install: fetching the packages');
      const application = await fetchApplication(home);
      const bytes = application.packages.reduce((sum, one) => sum + one.size, 0);
      const sources = await sourcesOf(application, home, opened, say);
      const measured = new Map(sources.map(({ name }) => [name, [] as Measured[]]));
      say('npm-install: installing');
      // The first round warms what is warm in a server that has run for a while, and is not counted.
      for (let round = 0; round <= (size === 'full' ? 3 : 2); round += 1)
        for (const source of sources) {
          const one = await install(application, source);
          if (round > 0) measured.get(source.name)?.push(one);
        }
      const what = `${application.packages.length} packages, ${Math.round(bytes / 1e6)} MB`;
      return rowsOf(what, measured);
    } finally {
      await opened.close();
    }
  },
};

async function sourcesOf(
  application: Application,
  home: string,
  opened: Closing,
  say: (line: string) => void,
): Promise<Source[]> {
  const env = { CAIRN_LOG_LEVEL: 'error', CAIRN_ECOSYSTEMS: 'npm' };
  const port = await freePort();
  const [ours, forSite] = [join(home, 'ours'), join(home, 'for-site')];
  const server = await startServer({ isCompiled: true, data: ours, env });
  opened.after(() => server.stop());
  const publicUrl = ['--public-url', `http://127.0.0.1:${port}`];
  // The same again, with addresses of nginx in its documents; it has ended before nginx starts.
  const writer = await startServer({ isCompiled: true, data: forSite, env, flags: publicUrl });
  try {
    for (const { url } of [server, writer])
      await publishAll(application, { registry: `${url}/npm`, token: ADMIN_TOKEN });
  } finally {
    await writer.stop();
  }
  const nginx = await startNginx(opened, layout(forSite).site, port);
  const sources = [
    { name: names.cairn, registry: `${server.url}/npm`, pid: server.child.pid ?? 0 },
    { name: names.nginx, registry: `${nginx.url}/npm`, pid: nginx.pid },
  ];
  try {
    const verdaccio = await startVerdaccio(join(home, 'verdaccio'));
    opened.after(() => verdaccio.stop());
    await publishAll(application, verdaccio);
    sources.push({ name: names.verdaccio, ...verdaccio });
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    say(`npm-install: ${error.message}`);
  }
  return sources;
}

async function install({ manifest }: Application, { registry, pid }: Source): Promise<Measured> {
  const opened = closing();
  try {
    const client = await clientNamed('npm 11');
    const project = await openProject(opened, client, { registry, token: 'of-nobody' }, manifest);
    // Of all three everybody may read, and a token that one of them does not know would be refused there.
    await project.write('.npmrc', `registry=${registry}/\nupdate-notifier=false\n`);
    const before = cpuMsOf(pid);
    const seconds = await secondsOf(() => project.ok('install', ...flags));
    return { seconds, cpuMs: cpuMsOf(pid) - before };
  } finally {
    await opened.close();
  }
}

function rowsOf(what: string, measured: ReadonlyMap<string, readonly Measured[]>): Row[] {
  const row = (name: string, other: string, unit: string, pick: (one: Measured) => number): Row[] => {
    const [ours, baseline] = [measured.get(name), measured.get(other)];
    const label = unit === 's' ? what : 'processor time of the server';
    if (!ours || !baseline) return [];
    const labelled = `${label}: ${name} against ${other}`;
    return [{ what: labelled, unit, ours: ours.map(pick), baseline: baseline.map(pick) }];
  };
  const pairs = [
    [names.cairn, names.nginx],
    [names.cairn, names.verdaccio],
    [names.nginx, names.verdaccio],
  ] as const;
  return [
    ...pairs.flatMap(([name, other]) => row(name, other, 's', ({ seconds }) => seconds)),
    ...pairs.flatMap(([name, other]) => row(name, other, 'ms', ({ cpuMs }) => cpuMs)),
  ];
}
