/** `cairn storage`: where blobs and site are, and how they get elsewhere. */
import { openLogWriter } from '../stores/git-log.ts';
import { registryLines } from '../core/event.ts';
import { RegistryError } from '../core/errors.ts';
import { nextLedger, switchLedger } from '../stores/bucket-ledger.ts';
import { copyBlobs } from '../stores/copy-blobs.ts';
import { requireRegistry } from './control.ts';
import { bytesInWords } from './duration.ts';
import { layout } from './layout.ts';
import { openBlobs } from './open-blobs.ts';
import { readRegistry } from './open-registry.ts';
import { sitePlace } from './open-site.ts';
import { bringUp } from './regen-from-log.ts';
import { refuseSitePlace } from './first-storage.ts';
import { endProgress, progressShown } from './regen-progress.ts';
import {
  addressOf,
  isBucket,
  layoutOf,
  parseLayout,
  readStorage,
  recordStorage,
  refuseOverlap,
  refusePointersToFiles,
  storageIn,
  withConnection,
  type Storage,
} from './storage.ts';

export interface MoveFlags {
  readonly blobs?: string;
  readonly site?: string;
  readonly artifacts?: string;
}

/** The word for a place below the data directory. */
const DIRECTORY = 'directory';

export function showStorage(dataDirectory: string, { json = false }: { readonly json?: boolean }): void {
  requireRegistry(dataDirectory);
  const storage = readStorage(dataDirectory);
  const places = {
    blobs: storage.blobs ?? layout(dataDirectory).blobs,
    site: sitePlace(dataDirectory, storage),
  };
  if (json) console.log(JSON.stringify({ ...storage, ...places }));
  else for (const [what, place] of Object.entries(places)) console.log(`${what.padEnd(6)} ${place}`);
  if (!json && layoutOf(storage) === 'pointers')
    console.log('artifacts are pointers to the blobs: this site needs an edge that follows them');
}

/**
 * Copies first and switches then: stopping in between leaves the registry as it was, and a second run goes on with what was
 * copied. What was copied from stays where it was. Holds the log, so that nobody publishes meanwhile.
 */
export async function moveStorage(dataDirectory: string, flags: MoveFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const before = withConnection(readStorage(dataDirectory), storageIn(process.env));
  const wanted = wantedStorage(before, flags);
  const { log, blobsInBucket } = layout(dataDirectory);
  const writer = await openLogWriter({ repository: log, lines: registryLines });
  try {
    const [movesBlobs, movesSite] = [wanted.blobs !== before.blobs, wanted.site !== before.site];
    // Blobs may take hours: what the site would be refused for is found out before.
    if (movesSite) await refuseSitePlace(wanted);
    if (movesBlobs) await moveBlobs(dataDirectory, before, wanted);
    // Of two layouts in one site: stopping in between leaves some artifacts of each, which every reader of pointers understands,
    // and a second run goes on with the others.
    const isAnew = layoutOf(wanted) !== layoutOf(before);
    if (isAnew || movesSite) await moveSite(dataDirectory, wanted, isAnew);
    const record = (): Promise<void> => recordStorage(dataDirectory, wanted);
    await (movesBlobs ? switchLedger(blobsInBucket, record) : record());
    showStorage(dataDirectory, {});
    if (movesBlobs || movesSite)
      console.log('what was copied from is still there; remove it once cairn doctor finds no problem');
    else if (!isAnew) console.log('they were there already: nothing was moved');
  } finally {
    await writer.close();
  }
}

function wantedStorage(before: Storage, { blobs, site, artifacts }: MoveFlags): Storage {
  if ((blobs ?? site ?? artifacts) === undefined)
    throw new RegistryError(
      'bad-request',
      `say what moves where: --blobs PLACE, --site PLACE; a place is s3://BUCKET/PREFIX or ${DIRECTORY}. Or --artifacts copies, or pointers`,
    );
  if (artifacts !== undefined) {
    if ((blobs ?? site) === undefined) return wantedLayout(before, artifacts);
    // What leaves pointers must have copies before its blobs are elsewhere, and the other way round.
    throw new RegistryError(
      'bad-request',
      'say --artifacts by itself, and --blobs and --site in another run',
    );
  }
  const placeOf = (said: string | undefined, was: string | undefined): string | undefined => {
    if (said === undefined) return was;
    if (said === DIRECTORY) return undefined;
    if (!isBucket(said))
      throw new RegistryError(
        'bad-request',
        `${said} is no place to move to: use s3://BUCKET/PREFIX, or the word ${DIRECTORY} for the data directory`,
      );
    addressOf(said, before);
    return said.replace(/\/$/, '');
  };
  const wanted = { ...before, blobs: placeOf(blobs, before.blobs), site: placeOf(site, before.site) };
  refuseOverlap(wanted);
  if (layoutOf(before) === 'pointers' && (wanted.blobs === undefined || wanted.site === undefined))
    throw new RegistryError(
      'bad-request',
      'the site has pointers to blobs in a bucket: make it one of copies first, with cairn storage move --artifacts copies',
    );
  if (wanted.blobs !== undefined && wanted.site === undefined)
    throw new RegistryError(
      'bad-request',
      'a site in a directory is made of links to the blobs: blobs in a bucket need a site in one, --site s3://BUCKET/PREFIX; or move both back, --blobs directory --site directory',
    );
  return wanted;
}

function wantedLayout(before: Storage, artifacts: string): Storage {
  const wanted = { ...before, artifacts: parseLayout('--artifacts', artifacts) };
  refusePointersToFiles(wanted);
  return wanted;
}

async function moveBlobs(dataDirectory: string, before: Storage, wanted: Storage): Promise<void> {
  const next = await nextLedger(layout(dataDirectory).blobsInBucket);
  const [from, to] = [await openBlobs(dataDirectory, before), await openBlobs(dataDirectory, wanted, next)];
  const show = process.stderr.isTTY;
  const { copied, bytes, skipped } = await copyBlobs(from, to, {
    onProgress: ({ copied, skipped, bytes }) => {
      if (show) process.stderr.write(`\r\u001b[K${copied + skipped} blobs, ${bytesInWords(bytes)} copied`);
    },
  });
  endProgress();
  console.log(`copied ${copied} blobs (${bytesInWords(bytes)}); ${skipped} were there`);
}

/** The whole of it, made from the log. `isAnew`: also where it stands for the log already. */
async function moveSite(dataDirectory: string, wanted: Storage, isAnew: boolean): Promise<void> {
  const registry = await readRegistry(dataDirectory, { storage: wanted });
  try {
    const { generator } = await registry.generatorFor(sitePlace(dataDirectory, wanted), progressShown({}));
    const events = await bringUp(generator, { full: isAnew });
    endProgress();
    console.log(
      `the site stands for ${events} events${isBucket(wanted.site ?? '') ? '' : ' in its directory'}`,
    );
  } finally {
    await registry.close();
  }
}
