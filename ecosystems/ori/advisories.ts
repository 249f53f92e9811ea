/** `GET v1/advisories` with filters (contract, section 10); without them it is a file. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import { quote } from '../quote.ts';
import { json } from './answers.ts';
import { isName, isVersion } from './names.ts';
import type { OsvDocument } from './osv.ts';
import { readAdvisories } from './summary.ts';

export async function listAdvisories(call: Call): Promise<HttpAnswer> {
  const name = asked(call, 'package', isName, '@scope/name');
  const version = asked(call, 'version', isVersion, 'a version such as 1.0.0');
  const since = asked(call, 'since', isTime, 'a time such as 2026-02-01T00:00:00Z');
  const sinceMs = since === undefined ? undefined : Date.parse(since);
  const summaries = (await call.summaries()).filter((summary) => name === undefined || summary.name === name);
  const advisories = summaries
    .flatMap(readAdvisories)
    .filter((document) => version === undefined || isAbout(document, version))
    .filter(({ modified }) => sinceMs === undefined || Date.parse(modified) >= sinceMs);
  return json(200, { advisories });
}

/** Exactly, as clients compare. */
function isAbout({ affected }: OsvDocument, version: string): boolean {
  return affected.some(({ versions }) => versions.includes(version));
}

function asked(
  call: Call,
  field: string,
  isRight: (text: string) => boolean,
  shape: string,
): string | undefined {
  const text = call.query.get(field);
  if (text === null) return undefined;
  if (isRight(text)) return text;
  throw new RegistryError('bad-request', `${field} is ${quote(text)}: use ${shape}`);
}

/** RFC 3339, of whatever zone. A plus that was not encoded arrives as a blank. */
function isTime(text: string): boolean {
  const isSpelledSo = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i.test(text);
  return isSpelledSo && !Number.isNaN(Date.parse(text));
}
