/** The other thread of a build: writes the files of each batch and gives its buffer back. See `build-writer.ts`. */
import { workerData, type MessagePort } from 'node:worker_threads';
import { BuildFiles } from './build-files.ts';

export interface ThreadSettings {
  readonly root: string;
  readonly port: MessagePort;
}

/** Files to write: those with a source are links; the bytes of the others lie one after another in the buffer. */
export interface Batch {
  readonly paths: readonly string[];
  readonly sources: readonly (string | undefined)[];
  /** Where the bytes of each file end. */
  readonly ends: readonly number[];
  readonly buffer: ArrayBuffer;
}

/** First that the thread runs; then for each batch its buffer and the links that had to be copied, or what went wrong. */
export type Answer =
  | 'started'
  | { readonly buffer: ArrayBuffer; readonly copied: readonly string[] }
  | { readonly message: string; readonly code: string | undefined };

const { root, port } = workerData as ThreadSettings;
const files = new BuildFiles(root);

port.on('message', (batch: Batch) => {
  try {
    answer({ buffer: batch.buffer, copied: write(batch) }, [batch.buffer]);
  } catch (error) {
    // Sending an error as it is would lose its code.
    const { message, code } = error as NodeJS.ErrnoException;
    answer({ message, code });
  }
});
answer('started');

function answer(what: Answer, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(what, transfer);
}

function write({ paths, sources, ends, buffer }: Batch): string[] {
  const bytes = new Uint8Array(buffer);
  const copied: string[] = [];
  let start = 0;
  for (const [i, path] of paths.entries()) {
    const [source, end = start] = [sources[i], ends[i]];
    if (source === undefined) files.write(path, bytes.subarray(start, end));
    else if (!files.link(source, path)) copied.push(path);
    start = end;
  }
  return copied;
}
