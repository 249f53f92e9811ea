/** `generate-oci.ts DATA SHAPE`: repositories with as many manifests as SHAPE says (JSON), in a registry that has them. */
import { appendManifests, type OciShape } from '../oci-registry.ts';

const [data = '', shape = '{}'] = process.argv.slice(2);
await appendManifests(data, JSON.parse(shape) as OciShape);
console.log('null');
