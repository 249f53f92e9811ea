/** What an object store can do of what we need, tried with an object of its own that is removed in the end. */
import { randomBytes } from 'node:crypto';
import { digestOf } from '../core/digest.ts';
import { ConditionFailed, type Bucket, type Condition } from './bucket.ts';

/** How the key of such an object begins. It is no file of a site, whoever lists it. */
export const PROBE = '=probe.';

export interface ProbedBucket {
  /** A write that is to make an object makes none where one is. */
  readonly keepsWhatIsThere: boolean;
  /** A write that is to replace an object replaces no other. */
  readonly comparesWhatItReplaces: boolean;
  /** ETags are MD5 of the bytes: a list is enough to tell whether a site is right. */
  readonly hasTellingEtags: boolean;
}

/** @throws Error of the store: it cannot be reached, has no such bucket, or does not let us write */
export async function probeBucket(bucket: Bucket): Promise<ProbedBucket> {
  const key = `${PROBE}${randomBytes(8).toString('hex')}`;
  const put = (text: string, condition?: Condition): Promise<string> =>
    bucket.put(key, Buffer.from(text), { contentType: 'text/plain', digest: digestOf(text), condition });
  const isRefused = async (text: string, condition: Condition): Promise<boolean> => {
    try {
      await put(text, condition);
      return false;
    } catch (error) {
      if (error instanceof ConditionFailed) return true;
      throw error;
    }
  };
  try {
    const first = await put('first', 'absent');
    const keepsWhatIsThere = await isRefused('second', 'absent');
    const second = await put('third', {
      etag: keepsWhatIsThere ? first : ((await bucket.head(key))?.etag ?? first),
    });
    return {
      keepsWhatIsThere,
      comparesWhatItReplaces: second !== first && (await isRefused('fourth', { etag: first })),
      hasTellingEtags: first === '"8b04d5e3775d298e78455efc5ca404d5"',
    };
  } finally {
    await bucket.remove(key).catch(() => undefined);
  }
}
