/** Provenance bundles (contract, sections 4 and 11): verified against the tarball, stored, and served as they came. */
import { RegistryError } from '../../core/errors.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call } from '../../core/route.ts';
import { envelopeOf, readBundle, verifyBundle, type Envelope } from '../sigstore.ts';
import { isObject, objectIn, type Manifest } from './manifest.ts';

/** Bundles have 10 to 20 KiB. */
const MAX_BUNDLE_BYTES = 1024 * 1024;
/** A bundle is nested 7 deep, and what a later one may add is not nested like this. */
const MAX_DEPTH = 32;

const STATEMENT = 'application/vnd.in-toto+json';
const statementTypes = ['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'];
const predicateTypes = ['https://slsa.dev/provenance/v1', 'https://slsa.dev/provenance/v0.2'];

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

/**
 * Of the attachment whose key ends with `.sigstore`; undefined without one. What does not verify is refused: nobody
 * who reads it later could tell a mark that says so from one that was left out.
 * @throws RegistryError `invalid-manifest`; `too-large`
 */
export async function attestationsFrom(
  call: Call,
  document: Manifest,
  attested: Attested,
): Promise<Attestations | undefined> {
  const attached = Object.entries(objectIn(document, '_attachments')).filter(([key]) =>
    key.endsWith('.sigstore'),
  );
  const [[, attachment] = [], ...others] = attached;
  if (attached.length === 0) return undefined;
  if (others.length > 0) throw bad('the document has more than one provenance bundle attached');
  const json = bundleIn(attachment);
  const bundle = readBundle(json);
  const predicateType = checkStatement(envelopeOf(bundle), attested);
  verifyBundle(bundle, call.sigstoreRoot);
  // Written again, and not as it was sent: of a field that comes twice everybody then reads the one that was verified.
  const blob = await call.stageText(JSON.stringify({ attestations: [{ predicateType, bundle: json }] }));
  return { predicateType, blob };
}

function bundleIn(attachment: unknown): object {
  // A text, unlike the tarball's, which is base64.
  const { data: text, content_type: type } = isObject(attachment) ? attachment : {};
  if (typeof text !== 'string') throw bad('the attached provenance bundle is not a text');
  if (Buffer.byteLength(text) > MAX_BUNDLE_BYTES)
    throw new RegistryError(
      'too-large',
      `the attached provenance bundle is over the limit of ${MAX_BUNDLE_BYTES} bytes`,
    );
  const json = parse(text, 'the attached provenance bundle');
  if (isDeeper(json, MAX_DEPTH))
    throw bad(`the attached provenance bundle is nested deeper than ${MAX_DEPTH}`);
  if (type !== undefined && type !== json['mediaType'])
    throw bad('the content_type of the attached provenance bundle is not its mediaType');
  return json;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** @returns its predicate type. @throws RegistryError `invalid-manifest` unless it is about this tarball alone. */
function checkStatement({ payloadType, payload }: Envelope, { name, version, integrity }: Attested): string {
  if (payloadType !== STATEMENT) throw bad(`the provenance has to be a statement of type ${STATEMENT}`);
  const statement = parse(payload.toString('utf8'), 'the statement in the provenance bundle');
  const [type, predicateType, subjects] = ['_type', 'predicateType', 'subject'].map((field) =>
    Object.hasOwn(statement, field) ? statement[field] : undefined,
  );
  if (typeof type !== 'string' || !statementTypes.includes(type))
    throw bad(`the provenance has to be an in-toto statement: one of ${statementTypes.join(', ')}`);
  if (typeof predicateType !== 'string' || !predicateTypes.includes(predicateType))
    throw bad(`the provenance has to be of one of the types ${predicateTypes.join(', ')}`);
  if (!Array.isArray(subjects) || subjects.length !== 1)
    throw bad('the provenance has to be about exactly one subject');
  const subject = isObject(subjects[0]) ? subjects[0] : {};
  const purl = packageUrl(name, version);
  if (subject['name'] !== purl)
    throw bad(`the provenance is about ${short(subject['name'])}, and this is ${purl}`);
  const sha512 = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
  if (objectIn(subject, 'digest')['sha512'] !== sha512)
    throw bad('the provenance is about another tarball: its digest is not the one of what is attached');
  return predicateType;
}

/** As npm's clients write it, and compare it. */
function packageUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
}

function parse(text: string, what: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(`${what} is not JSON`, error);
  }
  if (!isObject(value)) throw bad(`${what} is not an object`);
  return value;
}

function short(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 120)) : 'nothing';
}

function bad(message: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-manifest', message, { cause });
}
