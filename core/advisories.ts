/** What an advisory may say, whoever files it. */
import { baseScore } from './cvss.ts';
import type { Advisory } from './package.ts';

export type WantedAdvisory = Omit<Advisory, 'id'>;

export const advisoryKinds = ['broken', 'security', 'deprecated'] as const;
export const severities = ['low', 'medium', 'high', 'critical'] as const;

const MAX_SUMMARY_LENGTH = 512;
const MAX_URL_LENGTH = 2048;
/** Longer ones would crowd the line of the event. */
const MAX_DETAILS_BYTES = 4096;
const MAX_VERSIONS = 512;
const MAX_RANGE_LENGTH = 512;
const MAX_VECTOR_LENGTH = 256;
const MAX_WEAKNESSES = 16;
const MAX_ALIASES = 16;
/** As databases write their ids. */
const alias = /^[A-Za-z][A-Za-z0-9_]*-[A-Za-z0-9._:-]{1,100}$/;

/** What is wrong with it first: the field, and what it may be; undefined where nothing is. */
export function faultOf(wanted: WantedAdvisory): { field: keyof WantedAdvisory; says: string } | undefined {
  const { versions = [], range, summary, url, aliases = [], cwe = [], cvss, details = '' } = wanted;
  if ((range === undefined) === (versions.length === 0))
    return { field: 'versions', says: 'say which versions it is about, by a range or a list, and not both' };
  if (range !== undefined && range.length > MAX_RANGE_LENGTH)
    return { field: 'range', says: `${MAX_RANGE_LENGTH} characters at most` };
  if (versions.length > MAX_VERSIONS)
    return { field: 'versions', says: `${MAX_VERSIONS} at most; use a range` };
  if (summary.trim() === '' || [...summary].length > MAX_SUMMARY_LENGTH)
    return { field: 'summary', says: `one sentence of ${MAX_SUMMARY_LENGTH} characters at most` };
  if (url !== undefined && !isLink(url)) return { field: 'url', says: 'use an http or https URL' };
  if (aliases.length > MAX_ALIASES || !aliases.every((id) => alias.test(id)))
    return { field: 'aliases', says: 'use a list such as CVE-2026-00001,GHSA-aaaa-bbbb-cccc' };
  if (cwe.length > MAX_WEAKNESSES || !cwe.every((id) => /^CWE-\d{1,6}$/.test(id)))
    return { field: 'cwe', says: 'use a list such as CWE-79,CWE-1321' };
  if (cvss !== undefined && (cvss.length > MAX_VECTOR_LENGTH || baseScore(cvss) === undefined))
    return { field: 'cvss', says: 'use a vector such as CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' };
  if (Buffer.byteLength(details) > MAX_DETAILS_BYTES)
    return { field: 'details', says: `${MAX_DETAILS_BYTES} bytes at most; put the rest at a URL` };
  return undefined;
}

function isLink(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text) && text.length <= MAX_URL_LENGTH;
}
