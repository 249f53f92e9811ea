import type { EcosystemId } from '../schema/types.ts';
import type { Digest } from '../core/digest.ts';
import type { RegistryEvent } from '../core/event.ts';
import { blobsNamedBy, namedBlobs, type NamedBlob, type NamedBlobsDeps } from '../core/named-blobs.ts';
import type { Package } from '../core/package.ts';
import type { RulesOf } from '../core/rules.ts';
import type { Ecosystem } from './ecosystem.ts';
import { npm } from './npm/index.ts';
import { oci } from './oci/index.ts';
import { ori } from './ori/index.ts';
import { run } from './run/index.ts';
import { x07 } from './x07/index.ts';
import { zig } from './zig/index.ts';

/** Every ecosystem. Annotated, so that an id in the event schema without a folder does not compile. */
export const ecosystems: { readonly [Id in EcosystemId]: Ecosystem<Id> } = {
  x07,
  npm,
  zig,
  oci,
  run,
  ori,
};

export const allEcosystems = Object.keys(ecosystems) as readonly EcosystemId[];

export const rulesOf: RulesOf = (ecosystem) => ecosystems[ecosystem].rules;

/** As `namedBlobs`, with what its ecosystem knows of manifests. */
export function namedBlobsOf(of: Package, read: NamedBlobsDeps['read']): AsyncIterable<NamedBlob> {
  return namedBlobs(of, { ...ecosystems[of.ecosystem], read });
}

/** As `blobsNamedBy`, with what its ecosystem knows of manifests. */
export function blobsOfEvent(event: RegistryEvent, read: NamedBlobsDeps['read']): Promise<readonly Digest[]> {
  return blobsNamedBy(event, { ...('ecosystem' in event ? ecosystems[event.ecosystem] : {}), read });
}
