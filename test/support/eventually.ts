/**
 * Tries until a check passes; its last failure when that takes too long. Catalogs may be late by design: 20 times what they take.
 * Give `assert.ok` a message in it: without one, every failure reads and parses the source of the test.
 */
export async function eventually<T>(check: () => Promise<T>, patienceMs = 60_000): Promise<T> {
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await new Promise((next) => setTimeout(next, 25));
  }
}
