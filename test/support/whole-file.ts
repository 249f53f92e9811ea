import { after, type TestContext } from 'node:test';

/** For what all tests of a file share: cleared away after the last of them. */
export const wholeFile: Pick<TestContext, 'after'> = {
  after: (clear) => {
    if (clear) after(clear as () => void);
  },
};
