/** `cairn storage`: where blobs and site are, and how they get elsewhere. */
import { openLogWriter } from '../stores/git-log.ts';
import { registryLines } from '../core/event.ts';
import { RegistryError } from '../core/errors.ts';
import { copyBlobs } from '../stores/copy-blobs.ts';
import { requireRegistry } from './control.ts';
import { bytesInWords } from './duration.ts';
import { layout } from './layout.ts';
import { openBlobs } from './open-blobs.ts';
import { readRegistry } from './open-registry.ts';
import { sitePlace } from './open-site.ts';
import { bringUp } from './regen-from-log.ts';
import { endProgress, progressShown } from './regen-progress.ts';
import {
  addressOf,
  isBucket,
  readStorage,
  recordStorage,
  refuseOverlap,
  storageIn,
  withConnection,
  type Storage,
} from './storage.ts';

export interface MoveFlags {
  readonly blobs?: string;
  readonly site?: string;
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
}

/**
 * Copies first and switches then: stopping in between leaves the registry as it was, and a second run goes on with what was
 * copied. What was copied from stays where it was. Holds the log, so that nobody publishes meanwhile.
 */
export async function moveStorage(dataDirectory: string, flags: MoveFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const before = withConnection(readStorage(dataDirectory), storageIn(process.env));
  const wanted = wantedStorage(before, flags);
  const writer = await openLogWriter({ repository: layout(dataDirectory).log, lines: registryLines });
  try {
    if (wanted.blobs !== before.blobs) await moveBlobs(dataDirectory, before, wanted);
    await recordStorage(dataDirectory, { ...wanted, site: before.site });
    if (wanted.site !== before.site) await moveSite(dataDirectory, wanted);
    await recordStorage(dataDirectory, wanted);
  } finally {
    await writer.close();
  }
  showStorage(dataDirectory, {});
}

function wantedStorage(before: Storage, { blobs, site }: MoveFlags): Storage {
  if (blobs === undefined && site === undefined)
    throw new RegistryError(
      'bad-request',
      `say what moves where: --blobs PLACE, --site PLACE; a place is s3://BUCKET/PREFIX or ${DIRECTORY}`,
    );
  const placeOf = (said: string | undefined, was: string | undefined): string | undefined => {
    if (said === undefined) return was;
    if (said === DIRECTORY) return undefined;
    addressOf(said, before);
    return said.replace(/\/$/, '');
  };
  const wanted = { ...before, blobs: placeOf(blobs, before.blobs), site: placeOf(site, before.site) };
  refuseOverlap(wanted);
  if (wanted.blobs !== undefined && wanted.site === undefined)
    throw new RegistryError(
      'bad-request',
      'a site in a directory is made of links to the blobs: blobs in a bucket need a site in one, --site s3://BUCKET/PREFIX',
    );
  return wanted;
}

async function moveBlobs(dataDirectory: string, before: Storage, wanted: Storage): Promise<void> {
  const [from, to] = [await openBlobs(dataDirectory, before), await openBlobs(dataDirectory, wanted)];
  const show = process.stderr.isTTY;
  const { copied, bytes, skipped } = await copyBlobs(from, to, {
    onProgress: ({ copied, skipped, bytes }) => {
      if (show) process.stderr.write(`\r\u001b[K${copied + skipped} blobs, ${bytesInWords(bytes)} copied`);
    },
  });
  endProgress();
  console.log(`copied ${copied} blobs (${bytesInWords(bytes)}); ${skipped} were there`);
}

/** The whole of it, made from the log. */
async function moveSite(dataDirectory: string, wanted: Storage): Promise<void> {
  const registry = await readRegistry(dataDirectory);
  try {
    const { generator } = await registry.generatorFor(sitePlace(dataDirectory, wanted), progressShown({}));
    const events = await bringUp(generator, {});
    endProgress();
    console.log(
      `the site stands for ${events} events${isBucket(wanted.site ?? '') ? '' : ' in its directory'}`,
    );
  } finally {
    await registry.close();
  }
}
