/** Provenance bundles (contract, sections 4 and 11): checked against the tarball, stored, and served as they came. */
import { RegistryError } from '../../core/errors.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call } from '../../core/route.ts';
import { isObject, objectIn, type Manifest } from './manifest.ts';

export interface Attested {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

export interface Attestations {
  readonly predicateType: string;
  /** The document that `-/npm/v1/attestations/{spec}` answers with. */
  readonly blob: StagedBlob;
}

/** Of the attachment whose key ends with `.sigstore`; undefined without one. @throws RegistryError `invalid-manifest` */
export async function attestationsFrom(
  call: Call,
  document: Manifest,
  _attested: Attested,
): Promise<Attestations | undefined> {
  const attachments = Object.entries(objectIn(document, '_attachments'));
  const [, attachment] = attachments.find(([key]) => key.endsWith('.sigstore')) ?? [];
  if (attachment === undefined) return undefined;
  const text = isObject(attachment) ? attachment['data'] : undefined;
  if (typeof text !== 'string') throw bad('the attached provenance bundle is not a text');
  const bundle: unknown = JSON.parse(text);
  const predicateType = 'https://slsa.dev/provenance/v1';
  const blob = await call.stageText(JSON.stringify({ attestations: [{ predicateType, bundle }] }));
  return { predicateType, blob };
}

function bad(message: string): RegistryError {
  return new RegistryError('invalid-manifest', message);
}
