/** `zig-hash.ts ARCHIVE`: the hash of the package in it, what it cost, and the memory that it took above that of a small one. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readPackage } from '../../ecosystems/zig/package-hash.ts';
import { archiveOf, file, packAs } from '../../test/support/zig-archive.ts';
import { peakBytesOf } from '../processes.ts';

const [path = ''] = process.argv.slice(2);
// Code that is loaded with the first package is no memory of the package.
await readPackage(archiveOf(packAs('tar.gz', [file('r/a', 'a')])));
const before = peakBytesOf('self') ?? NaN;
const { size } = await stat(path);
const [started, cpu] = [performance.now(), process.cpuUsage()];
const { hash } = await readPackage({ size, open: () => createReadStream(path) });
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - started) / 1000;
const cpuSeconds = (user + system) / 1e6;
console.log(JSON.stringify({ hash, seconds, cpuSeconds, peakBytes: (peakBytesOf('self') ?? NaN) - before }));
