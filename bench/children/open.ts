/** `open.ts DATA`: reads a log as every start does; how long it took, and what of it stays in memory. */
import { readRegistry } from '../../bin/open-registry.ts';

const [dataDirectory = ''] = process.argv.slice(2);
const collect = (globalThis as { gc?: () => void }).gc;
collect?.();
const before = process.memoryUsage();
const started = performance.now();
const registry = await readRegistry(dataDirectory);
const seconds = (performance.now() - started) / 1000;
collect?.();
const after = process.memoryUsage();
const heldBytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
console.log(JSON.stringify({ seconds, heldBytes, events: registry.state.length }));
await registry.close();
