/** The object stores that Pantry knows by a word (`STORAGE_PROVIDER`, `storageProvider`), and where each of them is. */
import { RegistryError } from '../../core/errors.ts';

export type StorageProvider = 'aws' | 'backblaze' | 'hetzner';

const endpoints: Readonly<Record<StorageProvider, ((region: string) => string) | undefined>> = {
  // Known without being said.
  aws: undefined,
  backblaze: (region) => `https://s3.${region}.backblazeb2.com`,
  hetzner: (region) => `https://${region}.your-objectstorage.com`,
};

/** For whoever names no endpoint; undefined at AWS. @throws RegistryError `bad-request` when it does not follow */
export function providerEndpoint(
  provider: string | undefined,
  region: string | undefined,
): string | undefined {
  const known = Object.entries(endpoints).find(([name]) => name === (provider ?? 'aws').toLowerCase());
  if (!known)
    throw new RegistryError(
      'bad-request',
      `storage provider ${provider}: use one of ${Object.keys(endpoints).join(', ')}, or name the endpoint`,
    );
  const [name, endpointIn] = known;
  if (!endpointIn) return undefined;
  if (region === undefined)
    throw new RegistryError(
      'bad-request',
      `the endpoint at ${name} follows from the region: name S3_REGION, or S3_ENDPOINT`,
    );
  if (!/^[a-z0-9-]+$/.test(region))
    throw new RegistryError('bad-request', `region ${region}: use a word such as eu-central-003 or fsn1`);
  return endpointIn(region);
}
