/** `cairn doctor`: looks at everything, changes nothing, and says what to do. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { asDigest } from '../core/digest.ts';
import { LogDamage } from '../core/errors.ts';
import { privateLines } from '../core/event.ts';
import { unfitDisk } from '../stores/disk-check.ts';
import { openLogReader } from '../stores/git-log.ts';
import { ExitCode } from './exit-codes.ts';
import { layout } from './layout.ts';
import { readRegistry, systemClock, type ReadOnlyRegistry } from './open-registry.ts';
import { requireRegistry } from './control.ts';

interface Finding {
  readonly severity: 'ok' | 'warning' | 'problem';
  readonly about: string;
  readonly message: string;
}

export async function doctor(dataDirectory: string, flags: { readonly json?: boolean }): Promise<void> {
  requireRegistry(dataDirectory);
  let problems = 0;
  for await (const finding of findings(dataDirectory)) {
    if (finding.severity === 'problem') problems += 1;
    console.log(
      flags.json
        ? JSON.stringify(finding)
        : `${finding.severity.padEnd(8)} ${finding.about}: ${finding.message}`,
    );
  }
  if (problems > 0) process.exitCode = ExitCode.differs;
}

async function* findings(dataDirectory: string): AsyncGenerator<Finding> {
  const paths = layout(dataDirectory);
  yield checkDisk(dataDirectory);
  yield checkPermissions(paths.privateLog);
  yield* checkIncoming(paths.blobs);
  yield await checkPrivateLog(paths.privateLog);
  let registry: ReadOnlyRegistry;
  try {
    registry = await readRegistry(dataDirectory);
  } catch (error) {
    if (!(error instanceof LogDamage)) throw error;
    yield {
      severity: 'problem',
      about: 'log',
      message: `${error.message}. Restore ${paths.log} from a copy; nothing is written until then`,
    };
    return;
  }
  try {
    yield {
      severity: 'ok',
      about: 'log',
      message: `${registry.log.length} events, every line is whole and in order`,
    };
    yield checkClock(registry);
    yield await checkBlobs(registry);
    yield await checkSite(registry, paths.site);
  } finally {
    await registry.close();
  }
}

function checkDisk(directory: string): Finding {
  const fault = unfitDisk(directory);
  return fault === undefined
    ? { severity: 'ok', about: 'disk', message: 'keeps names apart that differ in case' }
    : { severity: 'problem', about: 'disk', message: `${fault}; move the data to another disk` };
}

function checkPermissions(privateLog: string): Finding {
  const mode = existsSync(privateLog) ? statSync(privateLog).mode & 0o777 : 0o700;
  return (mode & 0o077) === 0
    ? { severity: 'ok', about: 'private log', message: 'only its owner may read it' }
    : {
        severity: 'problem',
        about: 'private log',
        message: `others may read it (mode ${mode.toString(8)}): chmod 700 ${privateLog}`,
      };
}

function* checkIncoming(blobs: string): Iterable<Finding> {
  const incoming = join(blobs, 'incoming');
  const hourAgo = systemClock.now() - 3_600_000;
  const old = existsSync(incoming)
    ? readdirSync(incoming).filter((name) => statSync(join(incoming, name)).mtimeMs < hourAgo)
    : [];
  if (old.length > 0)
    yield {
      severity: 'warning',
      about: 'blobs',
      message: `${old.length} half-received uploads in ${incoming}; the next start removes them`,
    };
}

async function checkPrivateLog(repository: string): Promise<Finding> {
  try {
    const log = await openLogReader({ repository, lines: privateLines });
    for (let seq = 0; seq < log.length; seq += 1) log.read(seq);
    await log.close();
    return {
      severity: 'ok',
      about: 'private log',
      message: `${log.length} events, every line is whole and in order`,
    };
  } catch (error) {
    return { severity: 'problem', about: 'private log', message: (error as Error).message };
  }
}

function checkClock({ log }: ReadOnlyRegistry): Finding {
  const last = Date.parse(log.read(log.length - 1).at);
  const behindSeconds = Math.round((last - systemClock.now()) / 1000);
  return behindSeconds <= 0
    ? { severity: 'ok', about: 'clock', message: 'not behind the log' }
    : {
        severity: behindSeconds > 300 ? 'problem' : 'warning',
        about: 'clock',
        message: `${behindSeconds} seconds behind the last event; beyond 300 nothing is accepted. Set the clock right`,
      };
}

async function checkBlobs({ log, blobs }: ReadOnlyRegistry): Promise<Finding> {
  const missing: string[] = [];
  let count = 0;
  for (let seq = 0; seq < log.length; seq += 1) {
    const event = log.read(seq);
    if (event.kind !== 'published') continue;
    const digests = [
      ...event.artifacts.map(({ digest }) => digest),
      ...(event.metaDigest ? [event.metaDigest] : []),
    ];
    for (const digest of digests) {
      count += 1;
      if (!(await blobs.has(asDigest(digest)))) missing.push(`${digest} (event ${seq})`);
    }
  }
  return missing.length === 0
    ? { severity: 'ok', about: 'blobs', message: `all ${count} that events name are there` }
    : {
        severity: 'problem',
        about: 'blobs',
        message: `${missing.length} of ${count} are missing; restore them from a copy: ${missing.slice(0, 5).join(', ')}`,
      };
}

async function checkSite(registry: ReadOnlyRegistry, root: string): Promise<Finding> {
  const { site } = registry.generatorFor(root);
  const [progress, roots] = [await site.load('progress'), await site.load('roots')];
  const { length } = registry.log;
  if (!progress || !roots)
    return {
      severity: 'problem',
      about: 'site',
      message: 'there is none, or it is unfinished: run cairn regen',
    };
  if (!(await registry.log.carriesOn(progress.head)))
    return {
      severity: 'problem',
      about: 'site',
      message: 'it was made of another history than this log; see cairn regen --accept-log',
    };
  if (progress.seq < length)
    return {
      severity: 'problem',
      about: 'site',
      message: `it stands for ${progress.seq} of ${length} events: run cairn regen`,
    };
  if (roots.seq < length)
    return {
      severity: 'warning',
      about: 'site',
      message: `catalogs stand for ${roots.seq} of ${length} events; they follow by themselves`,
    };
  return {
    severity: 'ok',
    about: 'site',
    message: `stands for all ${length} events; cairn regen --check compares its bytes`,
  };
}
