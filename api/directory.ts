/** What every package of a surface says of itself: for searches. Starts from the generator's file, follows the log. */
import { subjectOf, type RegistryEvent } from '../core/event.ts';
import { hydrate } from '../core/hydrate.ts';
import type { BlobStore, EventLog, SiteReader } from '../core/ports.ts';
import type { Summary } from '../core/site.ts';
import type { RegistryState } from '../core/state.ts';
import { siteContext, type Surface } from '../ecosystems/ecosystem.ts';
import {
  noSummaries,
  readSummaries,
  summariesPath,
  summaryOf,
  type Summaries,
} from '../ecosystems/summaries.ts';

/** A file that is another each time it has been read. */
const READS_AT_MOST = 5;

export interface DirectoryDeps {
  readonly log: EventLog<RegistryEvent>;
  readonly state: RegistryState;
  readonly blobs: BlobStore;
  readonly site: SiteReader;
}

export class Directory {
  readonly #surface: Surface;
  readonly #deps: DirectoryDeps;
  #byKey = new Map<string, Summary>();
  #list: readonly Summary[] | undefined;
  #seq = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(surface: Surface, deps: DirectoryDeps) {
    this.#surface = surface;
    this.#deps = deps;
  }

  /** In ascending order of key, as of the last event this process has seen. */
  all(): Promise<readonly Summary[]> {
    const turn = this.#turn.then(async () => {
      await this.#catchUp();
      this.#list ??= [...this.#byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, summary]) => summary);
      return this.#list;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #catchUp(): Promise<void> {
    const { state, log } = this.#deps;
    if (this.#seq === 0) await this.#load();
    const touched = new Set<string>();
    const to = state.length;
    for (let seq = this.#seq; seq < to; seq += 1) {
      const event = log.read(seq);
      // Other settings, other summaries: the generator makes its file anew, and so it is read anew.
      if (event.kind === 'settings-changed' && seq > 0) {
        await this.#load();
        if (this.#seq <= seq) for (const key of state.packageKeys(this.#surface.reads)) touched.add(key);
        else seq = this.#seq - 1;
        continue;
      }
      const subject = subjectOf(event);
      if (subject?.of === 'package' && this.#surface.reads.includes(subject.ecosystem))
        touched.add(state.keyOf(subject));
    }
    for (const key of touched) await this.#refresh(key);
    this.#seq = to;
  }

  async #load(): Promise<void> {
    const { seq, byKey } = await this.#readFile();
    // A site may be ahead of this process, or of another log that was put in place of the one it was made of.
    if (seq > this.#deps.state.length) return;
    this.#byKey = byKey;
    this.#list = undefined;
    this.#seq = seq;
  }

  /** All of one file, however long it is: where it is replaced meanwhile, of the one that is there then. */
  async #readFile(): Promise<Summaries> {
    const { site } = this.#deps;
    const path = summariesPath(this.#surface.id);
    for (let tries = 0; tries < READS_AT_MOST; tries += 1) {
      const file = await site.find(path);
      if (!file) return noSummaries();
      const whole = { start: 0, end: file.size - 1 };
      const [read] = await Promise.allSettled([readSummaries(textOf(file.lend(whole)))]);
      const isSame = (await site.find(path, file)) === file;
      if (read.status === 'fulfilled' && isSame) return read.value;
      if (read.status === 'rejected' && isSame) throw read.reason;
    }
    // Somebody is faster than we are. The log says the same, and only takes longer.
    return noSummaries();
  }

  async #refresh(key: string): Promise<void> {
    const { state, blobs } = this.#deps;
    const site = siteContext(this.#surface, state.settings);
    const found = state.packageByKey(key);
    const summary = found && site && summaryOf(await hydrate(found, blobs), this.#surface, site);
    this.#list = undefined;
    if (summary) this.#byKey.set(key, summary);
    else this.#byKey.delete(key);
  }
}

async function* textOf(pieces: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  for await (const piece of pieces) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}
