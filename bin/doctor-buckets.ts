/** What `cairn doctor` tells of the stores that blobs and site are in. It writes an object of its own there, and removes it. */
import type { ReadOnlyRegistry } from './open-registry.ts';
import { adviceOn } from '../stores/bucket-failure.ts';
import type { Finding } from './doctor-files.ts';
import { addressOf } from './storage.ts';

export async function* checkBuckets({ storage }: ReadOnlyRegistry): AsyncGenerator<Finding> {
  const places = [storage.blobs, storage.site].filter((place) => place !== undefined);
  if (places.length === 0) return;
  const [{ Bucket }, { probeBucket }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-probe.ts'),
  ]);
  for (const place of places) {
    const bucket = new Bucket(addressOf(place, storage));
    const about = place === storage.site ? 'store of the site' : 'store of blobs';
    try {
      const { keepsWhatIsThere, comparesWhatItReplaces, hasTellingEtags } = await probeBucket(bucket);
      if (keepsWhatIsThere && comparesWhatItReplaces)
        yield { severity: 'ok', about, message: `${place} does conditional writes` };
      else
        yield {
          severity: 'problem',
          about,
          message: `${place} ${keepsWhatIsThere ? 'replaces an object whatever its If-Match says' : 'writes over an object though If-None-Match forbids it'}: two processes that write the site at once, such as a server and a cron job, may leave an older state there. Let one process alone write it, or choose a store with conditional writes`,
        };
      if (!hasTellingEtags)
        yield {
          severity: 'warning',
          about,
          message: `ETags of ${place} are not the MD5 of the bytes: whole sites are compared by a request for each file`,
        };
    } catch (error) {
      yield {
        severity: 'problem',
        about,
        message: `${place} cannot be written to (${(error as Error).message}): ${adviceOn(error) ?? 'look at the endpoint, the credentials and the name of the bucket'}`,
      };
    } finally {
      bucket.close();
    }
  }
}
