import type { Options } from './options.ts';
import { serve } from './serve.ts';

/** Serves until the process is told to stop; then ends with code 0 once everything accepted is done. */
export async function runServe(options: Options): Promise<void> {
  const server = await serve(options, (line) => process.stdout.write(`${line}\n`));
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await server.stop();
}
