/** `generate-npm.ts DATA SHAPE`: npm packages with as many versions as SHAPE says (JSON), in a registry that exists. */
import { appendNpmPackages, type NpmShape } from '../npm-registry.ts';

const [data = '', shape = '{}'] = process.argv.slice(2);
await appendNpmPackages(data, JSON.parse(shape) as NpmShape);
console.log('null');
