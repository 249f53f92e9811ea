/** Where OCI clients find components, below `/v2/wasm` (contract, section 9). */
import { visiblePackage } from '../../core/access.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Call, ReadRoute } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { ociFiles } from '../oci-files.ts';
import { nameOfRepository, namespaceOf } from './names.ts';

/** Below `/v2`, and before each name: no push of another ecosystem may use it. */
export const PREFIX = 'wasm/';

export const ociPaths = {
  manifest: {
    ...ociFiles.manifest,
    async missFromApi(call, view) {
      requireComponent(call, view);
      throw new RegistryError('version-not-found', 'this component has no such manifest');
    },
  },
  blob: {
    ...ociFiles.blob,
    async missFromApi(call, view) {
      requireComponent(call, view);
      throw new RegistryError('not-found', 'this component has no such blob', {
        surfaceCode: 'BLOB_UNKNOWN',
      });
    },
  },
  tags: {
    ...ociFiles.tags,
    miss: noComponent,
  },
} satisfies Record<string, ReadRoute>;

/** `wkg` tells a new name from a registry that is out of order by this refusal alone. @throws RegistryError `package-not-found` */
export function requireComponent({ params }: Call, view: StateView): void {
  const name = nameOfRepository(params['name'] ?? '');
  const place = { ecosystem: 'run', name, namespace: namespaceOf(name) } as const;
  if (!visiblePackage(view, place, undefined)) throw noComponent();
}

function noComponent(): RegistryError {
  return new RegistryError('package-not-found', 'there is no component of that name');
}

/** Where `wkg` looks which protocol a registry speaks. */
export const discovery = {
  from: 'site',
  pattern: 'registry.json',
  contentType: 'application/json',
  cache: 'document',
  stored: 'file',
  miss: () => new RegistryError('not-found', ''),
} as const satisfies ReadRoute;
