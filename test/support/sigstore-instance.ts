/**
 * A Sigstore instance of the test's own: certificate authority, certificate log and transparency log, with a trusted
 * root that says so. What it signs differs from what the public one signs in nothing but the keys.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
// Not the package's index: that brings a library which replaces Node's own HTTP client.
import { initializeCA, initializeCTLog } from '@sigstore/mock/dist/fulcio/index.js';
import { initializeTLog } from '@sigstore/mock/dist/rekor/index.js';

const LOG_URL = 'https://rekor.test';
const WORKFLOW = 'https://forge.test/acme/lib/.forge/workflows/release.yml@refs/heads/main';

export interface SigstoreInstance {
  /** JSON, as `CAIRN_SIGSTORE_TRUSTED_ROOT` wants it. */
  readonly trustedRoot: string;
  sign(statement: unknown, over?: SigningChanges): Promise<Bundle>;
}

export interface SigningChanges {
  readonly payloadType?: string;
  /** When the certificate begins, for ten minutes. */
  readonly certifiedAt?: Date;
  /** Without this the certificate has no proof that it is in a log of certificates. */
  readonly isCertificateLogged?: boolean;
  readonly loggedAt?: Date;
  readonly keyid?: string;
}

type Bundle = ReturnType<typeof bundleOf>;

interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly checkpoint: string;
    };
  };
}

const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });
const derOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export async function aSigstoreInstance(): Promise<SigstoreInstance> {
  const [caKey, certificateLogKey, logKey] = [newKey(), newKey(), newKey()];
  const certificateLog = await initializeCTLog(certificateLogKey);
  const { rootCertificate } = await initializeCA(caKey, certificateLog);
  const validFor = { start: '2020-01-01T00:00:00Z' };
  const logOf = (baseUrl: string, { publicKey }: { publicKey: KeyObject }): object => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: derOf(publicKey).toString('base64'),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      validFor,
    },
    logId: { keyId: sha256(derOf(publicKey)).toString('base64') },
  });
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [logOf(LOG_URL, logKey)],
    certificateAuthorities: [
      {
        subject: { organization: 'sigstore.mock', commonName: 'sigstore' },
        uri: 'https://fulcio.test',
        certChain: { certificates: [{ rawBytes: base64(rootCertificate) }] },
        validFor,
      },
    ],
    ctlogs: [logOf('https://ct.test', certificateLogKey)],
    timestampAuthorities: [],
  };
  return {
    trustedRoot: JSON.stringify(root),
    async sign(statement, over = {}) {
      const {
        payloadType = 'application/vnd.in-toto+json',
        loggedAt = new Date(),
        certifiedAt = new Date(Date.now() - 60_000),
        isCertificateLogged = true,
        keyid = '',
      } = over;
      const payload = Buffer.from(typeof statement === 'string' ? statement : JSON.stringify(statement));
      const signer = newKey();
      const ca = await initializeCA(caKey, isCertificateLogged ? certificateLog : undefined, certifiedAt);
      // A second certificate of the same authority: it has the key and the name of the first.
      const certificate = await ca.issueCertificate({
        publicKey: derOf(signer.publicKey) as Buffer<ArrayBuffer>,
        subjectAltName: WORKFLOW,
        extensions: [{ oid: '1.3.6.1.4.1.57264.1.8', value: 'https://token.forge.test' }],
      });
      const signature = sign('sha256', preAuthEncoding(payloadType, payload), signer.privateKey);
      const log = await initializeTLog(LOG_URL, logKey, loggedAt);
      const entries = (await log.log({
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          envelopeHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
          payloadHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
          signatures: [{ signature: base64(signature), verifier: base64(certificate) }],
        },
      })) as unknown as Record<string, LogEntry>;
      const [entry] = Object.values(entries);
      if (!entry) throw new Error('the log made no entry');
      return bundleOf(entry, certificate, {
        payload: base64(payload),
        payloadType,
        signatures: [{ sig: base64(signature), keyid }],
      });
    },
  };
}

function bundleOf(
  { body, integratedTime, logID, logIndex, verification }: LogEntry,
  certificate: ArrayBufferView,
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] },
) {
  const { inclusionProof, signedEntryTimestamp } = verification;
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      certificate: { rawBytes: base64(certificate) },
      tlogEntries: [
        {
          logIndex: String(logIndex),
          logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
          kindVersion: { kind: 'dsse', version: '0.0.1' },
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp },
          inclusionProof: {
            logIndex: String(inclusionProof.logIndex),
            rootHash: Buffer.from(inclusionProof.rootHash, 'hex').toString('base64'),
            treeSize: String(inclusionProof.treeSize),
            hashes: [] as string[],
            checkpoint: { envelope: inclusionProof.checkpoint },
          },
          canonicalizedBody: body,
        },
      ],
      timestampVerificationData: { rfc3161Timestamps: [] as object[] },
    },
    dsseEnvelope,
  };
}

/** What a DSSE signature is over. */
function preAuthEncoding(type: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function base64(bytes: ArrayBufferView): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
