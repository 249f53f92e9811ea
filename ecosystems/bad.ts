/** Refusals of what was uploaded. */
import { RegistryError } from '../core/errors.ts';

export function badArchive(message: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-archive', message, { cause });
}

export function badManifest(message: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-manifest', message, { cause });
}
