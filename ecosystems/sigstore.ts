/**
 * Sigstore bundles, verified without a network: the certificate against the authorities of a trusted root, the entry in
 * the transparency log against its logs, the signature against the certificate.
 */
import { bundleFromJSON, isBundleWithDsseEnvelope, type BundleWithDsseEnvelope } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { RegistryError } from '../core/errors.ts';
import { publicGoodRoot } from './sigstore-public-good.ts';

/**
 * Several times what the largest honest bundle has. They bound what reading costs: DER is read by recursion, log
 * indexes become big integers, and each entry costs three signatures.
 */
const MAX_CERTIFICATES = 8;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_LOG_ENTRIES = 4;
const MAX_PROOF_HASHES = 64;
const MAX_CHECKPOINT_LENGTH = 16 * 1024;
const MAX_NUMBER_LENGTH = 20;

/** What the bundle is about, as it was signed. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
}

/** A bundle that can be read; nothing of it is verified. */
export type SigstoreBundle = BundleWithDsseEnvelope;

/** @throws RegistryError `invalid-manifest` unless it is a bundle that holds an envelope and a certificate. */
export function readBundle(json: unknown): SigstoreBundle {
  // The library says wrong types in whatever error its first use of them makes: all of them are the sender's.
  const bundle = refusing('is not a Sigstore bundle', () => bundleFromJSON(json));
  if (!isBundleWithDsseEnvelope(bundle)) throw bad('holds no DSSE envelope');
  const { content, tlogEntries, timestampVerificationData } = bundle.verificationMaterial;
  if (content.$case === 'publicKey') throw bad('names a key: it has to hold a certificate');
  const certificates =
    content.$case === 'certificate' ? [content.certificate] : content.x509CertificateChain.certificates;
  const timestamps = timestampVerificationData?.rfc3161Timestamps ?? [];
  const isSmall =
    certificates.length <= MAX_CERTIFICATES &&
    timestamps.length <= MAX_LOG_ENTRIES &&
    tlogEntries.length <= MAX_LOG_ENTRIES &&
    certificates.every(({ rawBytes }) => rawBytes.byteLength <= MAX_CERTIFICATE_BYTES) &&
    timestamps.every(({ signedTimestamp }) => signedTimestamp.byteLength <= MAX_CERTIFICATE_BYTES) &&
    tlogEntries.every(
      ({ logIndex, integratedTime, inclusionProof }) =>
        [logIndex, integratedTime, inclusionProof?.logIndex ?? '', inclusionProof?.treeSize ?? ''].every(
          (digits) => digits.length <= MAX_NUMBER_LENGTH,
        ) &&
        (inclusionProof?.hashes.length ?? 0) <= MAX_PROOF_HASHES &&
        (inclusionProof?.checkpoint?.envelope.length ?? 0) <= MAX_CHECKPOINT_LENGTH,
    );
  if (!isSmall) throw bad('has more certificates or log entries, or larger ones, than any honest one');
  // Clients take a key id for that of a registry key, and stop at one that they do not know.
  if (bundle.content.dsseEnvelope.signatures.some(({ keyid }) => keyid !== ''))
    throw bad('names a key: it has to be signed by its certificate');
  return bundle;
}

export function envelopeOf(bundle: SigstoreBundle): Envelope {
  const { payloadType, payload } = bundle.content.dsseEnvelope;
  return { payloadType, payload };
}

/**
 * @param root a trusted root, JSON; that of the public instance when undefined.
 * @throws RegistryError `invalid-manifest` unless all of it holds.
 */
export function verifyBundle(bundle: SigstoreBundle, root: string | undefined): void {
  const verifier = verifierFor(root);
  refusing('does not verify against the trusted root', () => verifier.verify(toSignedEntity(bundle)));
}

/** @throws RegistryError `bad-request` unless it is a trusted root that bundles can be held against. */
export function checkTrustedRoot(root: string): void {
  try {
    verifierFor(root);
  } catch (error) {
    throw new RegistryError('bad-request', `it is not a Sigstore trusted root: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** One for each root that this process was given. */
const verifiers = new Map<string | undefined, Verifier>();

function verifierFor(root: string | undefined): Verifier {
  const known = verifiers.get(root);
  if (known) return known;
  const parsed: unknown = root === undefined ? publicGoodRoot : JSON.parse(root);
  const trusted = TrustedRoot.fromJSON(parsed);
  if (trusted.certificateAuthorities.length === 0) throw new Error('it names no certificate authority');
  // An instance without a log of its own has timestamps instead, of which one is always asked for.
  const verifier = new Verifier(toTrustMaterial(trusted), {
    tlogThreshold: trusted.tlogs.length > 0 ? 1 : 0,
    ctlogThreshold: trusted.ctlogs.length > 0 ? 1 : 0,
  });
  verifiers.set(root, verifier);
  return verifier;
}

function refusing<T>(fault: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw bad(`${fault} (${(error as Error).message.slice(0, 200)})`, error);
  }
}

function bad(fault: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-manifest', `the attached provenance bundle ${fault}`, { cause });
}
