/** What is wrong with an upload, in the finer codes of the contract (section 12). */
import { RegistryError } from '../../core/errors.ts';

export function badChecksum(message: string): RegistryError {
  return new RegistryError('invalid-archive', message, { surfaceCode: 'checksum_mismatch' });
}

export function badDependency(message: string): RegistryError {
  return new RegistryError('invalid-manifest', message, { surfaceCode: 'unpublishable_dependency' });
}
