import { join } from 'node:path';

/** Where everything lies below a data directory. Scripts rely on these names. */
export function layout(
  dataDirectory: string,
): Record<
  | 'log'
  | 'privateLog'
  | 'blobs'
  | 'blobsInBucket'
  | 'uploads'
  | 'site'
  | 'keys'
  | 'accessKeys'
  | 'tokenUse'
  | 'counters'
  | 'unneeded',
  string
> {
  return {
    log: join(dataDirectory, 'log.git'),
    privateLog: join(dataDirectory, 'private.git'),
    blobs: join(dataDirectory, 'blobs'),
    // Another folder: what lies there has the length of a blob, and none of its bytes.
    blobsInBucket: join(dataDirectory, 'blobs-in-bucket'),
    uploads: join(dataDirectory, 'uploads'),
    site: join(dataDirectory, 'site'),
    keys: join(dataDirectory, 'keys'),
    accessKeys: join(dataDirectory, 'keys', 'access'),
    tokenUse: join(dataDirectory, 'token-use.json'),
    counters: join(dataDirectory, 'counters'),
    unneeded: join(dataDirectory, 'unneeded-blobs.ndjson'),
  };
}
