/** `cairn doctor`: looks at everything, changes nothing, and says what to do. */
import { DigestSet } from '../core/digest-set.ts';
import type { Digest } from '../core/digest.ts';
import { LogDamage } from '../core/errors.ts';
import { privateLines } from '../core/event.ts';
import { allEcosystems, ecosystems, namedBlobsOf } from '../ecosystems/index.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import { adviceOn } from '../stores/bucket-failure.ts';
import { openLogReader } from '../stores/git-log.ts';
import { KeyDirectory } from '../stores/key-directory.ts';
import { checkBuckets } from './doctor-buckets.ts';
import { checkFiles, type Finding } from './doctor-files.ts';
import { ExitCode, explain } from './exit-codes.ts';
import { layout } from './layout.ts';
import { sitePlace } from './open-site.ts';
import { readRegistry, systemClock, type ReadOnlyRegistry } from './open-registry.ts';
import { requireRegistry } from './control.ts';

interface DoctorFlags {
  readonly json?: boolean;
  /** Reads every blob and compares its hash. */
  readonly deep?: boolean;
}

export async function doctor(dataDirectory: string, flags: DoctorFlags): Promise<void> {
  requireRegistry(dataDirectory);
  let problems = 0;
  for await (const finding of findings(dataDirectory, flags.deep === true)) {
    if (finding.severity === 'problem') problems += 1;
    console.log(
      flags.json
        ? JSON.stringify(finding)
        : `${finding.severity.padEnd(8)} ${finding.about}: ${finding.message}`,
    );
  }
  if (problems > 0) process.exitCode = ExitCode.differs;
}

async function* findings(dataDirectory: string, isDeep: boolean): AsyncGenerator<Finding> {
  const paths = layout(dataDirectory);
  yield* checkFiles(dataDirectory);
  const ofPrivateLog = await checkPrivateLog(paths.privateLog);
  yield ofPrivateLog;
  let registry: ReadOnlyRegistry;
  try {
    // What is wrong with the private log has been said, and is no reason to leave out the rest.
    registry = await readRegistry(dataDirectory, { onlyPublic: ofPrivateLog.severity === 'problem' });
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
    yield checkSealed(registry, paths.privateLog);
    yield checkClock(registry);
    yield checkKeys(registry, paths.keys);
    yield* checkBuckets(registry);
    yield* checkContents(dataDirectory, registry, isDeep);
  } finally {
    await registry.close();
  }
}

async function* checkContents(
  dataDirectory: string,
  registry: ReadOnlyRegistry,
  isDeep: boolean,
): AsyncGenerator<Finding> {
  try {
    const lost = new Set<Digest>();
    yield* checkStock(registry, lost);
    yield await checkBlobs(registry, isDeep, lost);
    yield await checkSite(registry, sitePlace(dataDirectory, registry.storage));
  } catch (error) {
    // A store that does not answer has been named: all else that was found is to be read all the same.
    const isOfTheStore = [error, (error as Error).cause].some((one) => adviceOn(one) !== undefined);
    if (!isOfTheStore) throw error;
    yield { severity: 'problem', about: 'blobs and site', message: `not looked at: ${explain(error)}` };
  }
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

function checkSealed({ state }: ReadOnlyRegistry, privateLog: string): Finding {
  const closed = state.closedLines;
  if (closed === 0)
    return { severity: 'ok', about: 'private packages', message: 'every sealed line can be opened' };
  return {
    severity: 'problem',
    about: 'private packages',
    message: `${closed} sealed lines cannot be opened: ${privateLog} is missing, damaged or older than the log. Restore it from a copy before anything is written: without it those packages are lost`,
  };
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

function checkKeys({ state }: ReadOnlyRegistry, path: string): Finding {
  const { keys = [], mounts } = state.settings;
  const directory = new KeyDirectory(path);
  const signing = keys.filter(({ retired }) => retired !== true);
  const here = new Set(directory.ids());
  const missing = signing.filter(({ id }) => !here.has(id));
  const foreign = signing.filter((key) => here.has(key.id) && !directory.holds(key));
  const [first] = [...missing, ...foreign];
  if (first) {
    const list = (words: string, faulty: typeof signing): string[] =>
      faulty.length > 0
        ? [`${words} in ${path}: ${faulty.map(({ id, ecosystem }) => `${id} (${ecosystem})`).join(', ')}`]
        : [];
    const faults = [...list('missing', missing), ...list('not the key that is listed', foreign)];
    return {
      severity: 'problem',
      about: 'keys',
      message: `${faults.join('; ')}. Nothing can be published there; restore them from a copy, or: cairn keys rotate ${first.ecosystem}`,
    };
  }
  const unsigned = Object.values(ecosystems).filter(
    ({ id, signsWith, surfaces }) =>
      signsWith &&
      surfaces.some((surface) => mounts[surface.id] !== undefined) &&
      !signing.some(({ ecosystem }) => ecosystem === id),
  );
  if (unsigned[0])
    return {
      severity: 'warning',
      about: 'keys',
      message: `none that signs for ${unsigned.map(({ id }) => id).join(', ')}: what is published is not signed. To begin: cairn keys rotate ${unsigned[0].id}`,
    };
  return { severity: 'ok', about: 'keys', message: `all ${signing.length} that sign are there` };
}

type Blobs = Pick<ReadOnlyRegistry, 'state'> & { readonly blobs: ShelvedBlobs };

/** Where blobs are in a bucket: what is known here, and what is there. */
async function* checkStock({ blobs: { stock } }: Blobs, lost: Set<Digest>): AsyncGenerator<Finding> {
  if (!stock) return;
  let [unshelved, strangers] = [0, 0];
  let stranger = '';
  for await (const found of stock.differences()) {
    if (found.kind === 'missing') lost.add(found.digest);
    else if (found.kind === 'unshelved') unshelved += 1;
    else {
      strangers += 1;
      stranger ||= found.path;
    }
  }
  const about = 'bucket of blobs';
  if (lost.size > 0)
    yield {
      severity: 'problem',
      about,
      message: `${lost.size} blobs that were put there are missing, or not as long as they were, such as ${[...lost][0]}; restore them from a copy, or send them again`,
    };
  if (unshelved > 0)
    yield {
      severity: 'warning',
      about,
      message: `${unshelved} blobs lie there that uploads or removals have left which were stopped; cairn gc removes those that nobody needs`,
    };
  if (strangers > 0)
    yield {
      severity: 'warning',
      about,
      message: `${strangers} objects lie there that are no blobs, such as ${stranger}; nothing else should be kept below that prefix`,
    };
  if (lost.size + unshelved + strangers === 0)
    yield { severity: 'ok', about, message: 'has exactly what is known here' };
}

async function checkBlobs(
  { state, blobs }: Blobs,
  isDeep: boolean,
  lost: ReadonlySet<Digest>,
): Promise<Finding> {
  const isGood = async (digest: Digest): Promise<boolean> =>
    !lost.has(digest) && (isDeep ? blobs.isIntact(digest) : blobs.has(digest));
  // What a manifest names cannot be told while its own blob is not as it was, which is among the faulty ones.
  const read = async (digest: Digest): Promise<Uint8Array | undefined> =>
    (await blobs.isIntact(digest)) ? blobs.read(digest) : undefined;
  const looked = new DigestSet();
  const faulty: string[] = [];
  for (const key of state.packageKeys(allEcosystems)) {
    const of = state.packageAt(key, state.length);
    if (!of) continue;
    for await (const { digest, by } of namedBlobsOf(of, read))
      if (looked.add(digest) && !(await isGood(digest)))
        faulty.push(`${digest} (${of.ecosystem}/${of.name} ${by})`);
  }
  if (faulty.length === 0)
    return {
      severity: 'ok',
      about: 'blobs',
      message: `all ${looked.size} that packages name are there${isDeep ? ', every byte as it was' : '; --deep compares their hashes'}`,
    };
  return {
    severity: 'problem',
    about: 'blobs',
    message: `${faulty.length} of ${looked.size} are missing${isDeep ? ' or damaged' : ''}; restore them from a copy: ${faulty.slice(0, 5).join(', ')}`,
  };
}

async function checkSite(registry: ReadOnlyRegistry, root: string): Promise<Finding> {
  const { site } = await registry.generatorFor(root);
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
