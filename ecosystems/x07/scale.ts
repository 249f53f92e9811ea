/** Scale metadata in a manifest (contract, section 9.9). */
import { badManifest } from './refusals.ts';

type Meta = Readonly<Record<string, unknown>>;

const scaleClass = /^[a-z][a-z0-9-]{0,63}$/;
const evidenceHost = /^(?:[a-z0-9-]+\.)*x07\.io$/;

/** @throws RegistryError `INVALID_SCALE_META` or `INVALID_SCALE_EVIDENCE` */
export function checkScale(meta: Meta): void {
  const { scale_classes_supported: classes, scale_tested: tested, scale_test_evidence_ref: evidence } = meta;
  if (
    classes !== undefined &&
    !(
      Array.isArray(classes) &&
      classes.every((name) => typeof name === 'string' && scaleClass.test(name.toLowerCase()))
    )
  )
    throw badManifest(
      'meta.scale_classes_supported must be an array of names such as edge-1',
      'INVALID_SCALE_META',
    );
  if (tested !== undefined && typeof tested !== 'boolean')
    throw badManifest('meta.scale_tested must be true or false', 'INVALID_SCALE_META');
  if (evidence !== undefined && !(typeof evidence === 'string' && isEvidenceReference(evidence)))
    throw badManifest(
      'meta.scale_test_evidence_ref must be an https URL below x07.io, or s3://bucket/key',
      'INVALID_SCALE_EVIDENCE',
    );
}

function isEvidenceReference(text: string): boolean {
  if (text.length > 2048) return false;
  if (/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/[^?#\s]+$/.test(text)) return true;
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const isPlain =
    url.username === '' && url.password === '' && url.search === '' && url.hash === '' && url.port === '';
  return url.protocol === 'https:' && isPlain && evidenceHost.test(url.hostname);
}

export interface Scale {
  readonly scale_classes_supported?: readonly string[];
  readonly scale_tested?: true;
  readonly scale_test_evidence_ref?: string;
}

/** The fields an answer carries, in its order; empty and false ones are left out. */
export function scaleOf(meta: Meta): Scale {
  const classes = Array.isArray(meta['scale_classes_supported']) ? meta['scale_classes_supported'] : [];
  const names = [...new Set(classes.map((name) => String(name).toLowerCase()))].sort();
  const evidence = meta['scale_test_evidence_ref'];
  return {
    ...(names.length > 0 ? { scale_classes_supported: names } : {}),
    ...(meta['scale_tested'] === true ? { scale_tested: true } : {}),
    ...(typeof evidence === 'string' ? { scale_test_evidence_ref: evidence } : {}),
  };
}
