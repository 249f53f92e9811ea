/** Advisories in the words of npm's clients (contract, section 10). */
import { createHash } from 'node:crypto';
import type { FiledAdvisory, Package } from '../../core/package.ts';
import type { SiteContext } from '../ecosystem.ts';
import { baseScore } from '../../core/cvss.ts';
import { isAbout, isWarning } from './summary.ts';

const severities = { low: 'low', medium: 'moderate', high: 'high', critical: 'critical' } as const;
export type NpmSeverity = (typeof severities)[FiledAdvisory['severity']];

export interface Warning {
  readonly id: number;
  readonly advisory: FiledAdvisory;
  readonly severity: NpmSeverity;
  readonly url: string;
  readonly vulnerableVersions: string;
  readonly cwe: readonly string[];
  readonly cvss: { readonly score: number; readonly vectorString: string | null };
}

/** What warns today of at least one of these versions. */
export function warningsAbout(of: Package, versions: readonly string[], site: SiteContext): Warning[] {
  return [...numbered(of)].flatMap(([id, advisory]) =>
    isWarning(advisory) && versions.some((version) => isAbout(advisory, { version }))
      ? [warningOf(id, advisory, of, site)]
      : [],
  );
}

/** Every advisory with its number, withdrawn ones too: what is withdrawn must not move the others. */
export function numbered(of: Package): ReadonlyMap<number, FiledAdvisory> {
  const byNumber = new Map<number, FiledAdvisory>();
  for (const advisory of of.advisories.values()) {
    let id = numberOf(of.name, advisory.id);
    while (byNumber.has(id)) id = (id % MAX_NUMBER) + 1;
    byNumber.set(id, advisory);
  }
  return byNumber;
}

/** Clients keep numbers of this size, and remember an advisory by its number. */
const MAX_NUMBER = 2 ** 31 - 1;

function numberOf(name: string, id: string): number {
  const hash = createHash('sha256').update(`${name}\n${id}`).digest();
  return (hash.readUInt32BE(0) % MAX_NUMBER) + 1;
}

function warningOf(id: number, advisory: FiledAdvisory, of: Package, site: SiteContext): Warning {
  return {
    id,
    advisory,
    severity: severities[advisory.severity],
    url: advisory.url ?? advisoriesUrl(site, of.name),
    vulnerableVersions: vulnerableVersions(advisory),
    cwe: advisory.cwe ?? [],
    cvss: cvssOf(advisory),
  };
}

/** Where the registry lists all advisories of a package. */
function advisoriesUrl({ baseUrl }: SiteContext, name: string): string {
  return `${baseUrl}/-/npm/v1/advisories/${name.replace('/', '%2f')}`;
}

function vulnerableVersions({ versions = [], range }: FiledAdvisory): string {
  const parts = [...(range === undefined ? [] : [range]), ...versions];
  return parts.length > 0 ? parts.join(' || ') : '*';
}

function cvssOf({ cvss }: FiledAdvisory): Warning['cvss'] {
  const score = cvss === undefined ? undefined : baseScore(cvss);
  return cvss === undefined || score === undefined
    ? { score: 0, vectorString: null }
    : { score, vectorString: cvss };
}

/** All advisories of a package in the order in which they were filed: where one without a page of its own links to. */
export function advisoriesDocument(of: Package, site: SiteContext): object {
  return {
    name: of.name,
    advisories: [...numbered(of)].map(([number, advisory]) => {
      const { id, url, severity, vulnerableVersions, cwe, cvss } = warningOf(number, advisory, of, site);
      const { kind, summary, details, filedAt, withdrawnAt } = advisory;
      return {
        id,
        url,
        title: summary,
        kind,
        severity,
        vulnerable_versions: vulnerableVersions,
        cwe,
        cvss,
        ...(details === undefined ? {} : { details }),
        created: filedAt,
        ...(withdrawnAt === undefined ? {} : { withdrawn: withdrawnAt }),
      };
    }),
  };
}
