/** For hooks of a suite: what `before` opens is closed by `after`. `after` within `before` would close it at once. */
import type { TestContext } from 'node:test';

export interface Closing extends Pick<TestContext, 'after'> {
  /** The last opened first. */
  close(): Promise<void>;
}

export function closing(): Closing {
  const closers: (() => unknown)[] = [];
  return {
    after: (close) => {
      if (close) closers.push(close as () => unknown);
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}
