/**
 * A component as an OCI artifact: its config and its manifest, as the clients of the Wasm OCI layout want them (contract, section 9).
 * https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/
 */
import type { StagedBlob } from '../../core/ports.ts';
import { OCI_MANIFEST_TYPE } from '../oci-media-types.ts';
import type { Wasm } from './component.ts';
import type { RunMeta } from './metadata.ts';

export const WASM_TYPE = 'application/wasm';
export const CONFIG_TYPE = 'application/vnd.wasm.config.v0+json';
export const MANIFEST_TYPE = OCI_MANIFEST_TYPE;

type Blob = Pick<StagedBlob, 'digest' | 'size'>;

/** @param created RFC 3339, UTC; whole seconds are kept */
export function configOf({
  created,
  layer,
  wasm,
}: {
  readonly created: string;
  readonly layer: Blob;
  readonly wasm: Wasm;
}): string {
  const isComponent = wasm.kind === 'component';
  return JSON.stringify({
    created: created.replace(/\.\d+Z$/, 'Z'),
    author: null,
    architecture: 'wasm',
    os: isComponent ? 'wasip2' : 'wasip1',
    layerDigests: [layer.digest],
    ...(isComponent ? { component: { exports: wasm.exports, imports: wasm.imports, target: null } } : {}),
  });
}

/** One layer, which is the component itself: clients take neither more nor another type. */
export function manifestOf({
  name,
  version,
  config,
  layer,
  meta: { description, license },
}: {
  readonly name: string;
  readonly version: string;
  readonly config: Blob;
  readonly layer: Blob;
  readonly meta: RunMeta;
}): string {
  const label = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf(':')) + 1);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: config.digest, size: config.size },
    layers: [
      {
        mediaType: WASM_TYPE,
        digest: layer.digest,
        size: layer.size,
        annotations: { 'org.opencontainers.image.title': `${label}.wasm` },
      },
    ],
    annotations: {
      'org.opencontainers.image.version': version,
      ...(description === '' ? {} : { 'org.opencontainers.image.description': description }),
      ...(license === undefined ? {} : { 'org.opencontainers.image.licenses': license }),
    },
  });
}
