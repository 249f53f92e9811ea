/** `generate.ts DATA PACKAGES VERSIONS`: a synthetic registry. In a process of its own, whose memory ends with it. */
import { generateRegistry } from '../registry-generator.ts';

const [data = '', packages, versions] = process.argv.slice(2);
await generateRegistry(data, { packages: Number(packages), versions: Number(versions) });
console.log('null');
