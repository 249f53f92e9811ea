/** A registry for programs that only look at it: the history and what it adds up to, beside whoever writes. */
import type { EcosystemId, RegistryEvent } from '../core/event.ts';
import type { Package } from '../core/package.ts';
import type { Settings } from '../schema/types.ts';
import { requireRegistry } from './control.ts';
import { readRegistry } from './open-registry.ts';

/**
 * The registry as it was when it was opened, or at the last `refresh`; nothing changes in between. What it returns is
 * shared with its cache: read it, never change it.
 */
export interface RegistryReader {
  /** What shapes the site, as recorded in the log. */
  readonly settings: Settings;
  /** How many events were read; their sequence numbers are 0 to `length - 1`. */
  readonly length: number;
  /** Names the whole history up to `length`: the log's git commit. Equal histories have equal heads. */
  readonly head: string;
  /**
   * Events in the order in which they became true. Those of private packages are what they stand for where the private
   * log can be read beside the log, and `sealed` where it cannot.
   * @param from - sequence number of the first one; default 0.
   */
  events(from?: number): IterableIterator<RegistryEvent>;
  /** All events of one package, oldest first; empty when it is unknown. */
  eventsOf(ecosystem: EcosystemId, name: string): readonly RegistryEvent[];
  /** What the events of one package add up to; undefined when it is unknown. */
  package(ecosystem: EcosystemId, name: string): Package | undefined;
  /** Every package of an ecosystem, ordered by its name's key; made one at a time. */
  packages(ecosystem: EcosystemId): IterableIterator<Package>;
  /**
   * Sees what was appended since, by whatever process.
   * @throws LogDamage when the log is not what it must be.
   */
  refresh(): Promise<void>;
  /** Lets go of the log's files. Nothing may be read afterwards. */
  close(): Promise<void>;
}

/**
 * Opens a registry to read it. Safe beside a running server, in its process or in another.
 * @throws RegistryError `not-found` where no registry has been started yet.
 * @throws LogDamage when the log is not what it must be.
 */
export async function openReader(dataDirectory: string): Promise<RegistryReader> {
  requireRegistry(dataDirectory);
  const { log, state, close } = await readRegistry(dataDirectory);
  return {
    get settings() {
      return state.settings;
    },
    get length() {
      return state.length;
    },
    get head() {
      return log.head;
    },
    *events(from = 0) {
      for (let seq = from; seq < state.length; seq += 1) yield log.read(seq);
    },
    eventsOf: (ecosystem, name) => state.eventsOf({ ecosystem, name, of: 'package' }),
    package: (ecosystem, name) => state.package(ecosystem, name),
    *packages(ecosystem) {
      for (const key of state.packageKeys([ecosystem])) {
        const found = state.packageByKey(key);
        if (found) yield found;
      }
    },
    async refresh() {
      await log.refresh();
      state.catchUp();
    },
    close,
  };
}
