/** Publishers and yankers that work at the same time, and keep a ledger of what they were told. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ADMIN_TOKEN } from './server-process.ts';
import type { Release, ReleaseLedger, ReleaseState } from './release-ledger.ts';
import type { SeededRandom } from './seeded-random.ts';
import { moduleId, moduleSource, packX07 } from './x07-package.ts';

export interface TrafficOptions {
  readonly ledger: ReleaseLedger;
  readonly random: SeededRandom;
  /** Concurrent clients; each has one request under way. */
  readonly clients?: number;
}

export interface Traffic {
  /** Resolves once every client has seen its connection break. */
  readonly broken: Promise<void>;
  /** Resolves when this many writes of the burst have succeeded, or none can any more. A fresh process is slow at first. */
  answered(count: number): Promise<void>;
  /** Requests under way finish, or break. */
  stop(): Promise<void>;
}

const PACKAGES_PER_BURST = 3;
let bursts = 0;

/**
 * Writes without a pause until it is stopped or the connections break. Each release belongs to one client, so that
 * its writes come one after the other and the last answer counts.
 * `stop` throws when the server refused something: none of what is asked for here is wrong.
 */
export function startTraffic(url: string, { ledger, random, clients = 6 }: TrafficOptions): Traffic {
  const burst = (bursts += 1);
  const old = ledger.releases;
  let stopped = false;
  const refusals: string[] = [];
  const acknowledgedBefore = ledger.acknowledged;

  async function client(number: number): Promise<void> {
    const mine = old.filter((_, index) => index % clients === number);
    let published = 0;
    const firstWrite = (): Write => {
      const name = `burst-${burst}-${random.below(PACKAGES_PER_BURST)}`;
      const release: Release = { name, version: `${number}.${(published += 1)}.0`, digest: '' };
      mine.push(release);
      return { release, to: 'listed' };
    };
    while (!stopped) {
      const write = chooseWrite(mine, random, ledger) ?? firstWrite();
      const outcome = await send(url, write, { ledger, random });
      if (outcome === 'broken') return;
      if (outcome !== 'acknowledged') refusals.push(outcome);
    }
  }

  const broken = Promise.all(Array.from({ length: clients }, (_, number) => client(number))).then(() => {
    if (refusals.length > 0) throw new Error(`writes were refused:\n${refusals.join('\n')}`);
  });
  // A refusal is reported by `stop`; until then nobody listens.
  broken.catch(() => undefined);
  return {
    broken,
    async answered(count) {
      let over = false;
      const end = (): void => void (over = true);
      broken.then(end, end);
      while (!over && ledger.acknowledged < acknowledgedBefore + count) await pause(5);
    },
    stop() {
      stopped = true;
      return broken;
    },
  };
}

interface Write {
  readonly release: Release;
  readonly to: ReleaseState;
}

/** Something to do with a release that is there, or that an earlier write did not bring about; often nothing. */
function chooseWrite(
  mine: readonly Release[],
  random: SeededRandom,
  ledger: ReleaseLedger,
): Write | undefined {
  const release = random.chance(0.35) ? random.pick(mine) : undefined;
  const [state, another] = release ? ledger.statesOf(release) : [];
  if (!release || another) return undefined;
  return { release, to: state === 'listed' ? 'yanked' : 'listed' };
}

/** Sends one write and enters in the ledger what is known of it; a refusal comes back as text. */
async function send(
  url: string,
  { release, to }: Write,
  { ledger, random }: { ledger: ReleaseLedger; random: SeededRandom },
): Promise<string> {
  const isPublish = ledger.statesOf(release).has('missing');
  const archive = isPublish ? archiveOf(release, random) : undefined;
  if (archive) release.digest = sha256(archive);
  ledger.begin(release, to);
  try {
    const response = archive ? await publish(url, archive) : await yank(url, release, to === 'yanked');
    const text = await response.text();
    if (response.status !== 200) return `${response.status} ${release.name}@${release.version}: ${text}`;
    ledger.acknowledge(release, to);
    return 'acknowledged';
  } catch {
    // The connection broke before the whole answer was here: whether it happened, nobody can say.
    return 'broken';
  }
}

/** Never the same bytes twice, so that a digest names one attempt to publish. */
function archiveOf({ name, version }: Release, random: SeededRandom): Buffer {
  const id = moduleId(name);
  const padding = 'x'.repeat(random.below(20_000));
  return packX07({
    name,
    version,
    modules: { [id]: moduleSource(id, random.below(2 ** 31)) },
    extra: [{ path: 'notes.txt', content: padding }],
  });
}

export function publish(url: string, archive: Buffer, token = ADMIN_TOKEN): Promise<Response> {
  return fetch(`${url}/x07/v1/packages/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: archive,
  });
}

export function yank(url: string, { name, version }: Release, yanked: boolean): Promise<Response> {
  return fetch(`${url}/x07/v1/packages/${name}/${version}/yank`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ yanked }),
  });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
