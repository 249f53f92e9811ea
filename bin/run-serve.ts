import type { Options } from './options.ts';
import { serve } from './serve.ts';

/** Serves until the process is told to stop; then ends with code 0 once everything accepted is done. */
export async function runServe(options: Options): Promise<void> {
  // From the beginning: whoever sees the first line of output may at once ask for a stop.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  const server = await serve(options, (line) => process.stdout.write(`${line}\n`));
  await stopped;
  await server.stop();
}
