/** What a store means by its errors. */

/** The condition of a write does not hold: another wrote, or removed, what is there. Nothing of ours is there. */
export class ConditionFailed<Found = unknown> extends Error {
  /** What was there when it was looked for then; undefined when nothing was, or nobody looked. */
  readonly found: Found | undefined;

  constructor(message: string, cause?: unknown, found?: Found) {
    super(message, { cause });
    this.found = found;
  }
}

export function failed<Found>(key: string, cause: unknown, found?: Found): ConditionFailed<Found> {
  return new ConditionFailed(`${key} is not what it was`, cause, found);
}

export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** Whether the store says that there is no such object. A missing bucket, or a 404 of something that is no store, is another matter. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Error).name === 'NoSuchKey';
}

/** Whether an upload in parts is no longer known: it was given up, or an earlier attempt has completed it. */
export function isUploadGone(error: unknown): boolean {
  return (error as Error).name === 'NoSuchUpload';
}

export async function absentAs<T, A>(absent: A, ask: () => Promise<T>): Promise<T | A> {
  try {
    return await ask();
  } catch (error) {
    if (isAbsent(error)) return absent;
    throw error;
  }
}
