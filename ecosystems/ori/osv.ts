/** Advisories as OSV documents (contract, section 10): https://ossf.github.io/osv-schema/, version 1.7.5. */
import type { FiledAdvisory, Package, Release } from '../../core/package.ts';
import type { SiteContext } from '../ecosystem.ts';
import { intervalsIn, isWithin, type Interval } from './names.ts';
import { ascending } from './releases.ts';

/** Of databases that OSV does not know, ids begin with `x_`. */
const ID_PREFIX = 'x_ORI-';

/** Fields in their order. */
export interface OsvDocument {
  readonly schema_version: '1.7.5';
  readonly id: string;
  readonly modified: string;
  readonly published: string;
  readonly withdrawn?: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly details?: string;
  readonly severity?: readonly [{ readonly type: 'CVSS_V3'; readonly score: string }];
  readonly affected: readonly [
    {
      readonly package: { readonly ecosystem: 'Ori'; readonly name: string };
      readonly ranges?: readonly object[];
      readonly versions: readonly string[];
    },
  ];
  readonly references: readonly [{ readonly type: 'ADVISORY'; readonly url: string }];
  readonly database_specific: object;
}

/** All that are known of, in the order in which they were filed; withdrawn ones say so and stay. */
export function osvDocuments(of: Package, site: SiteContext): readonly OsvDocument[] {
  // That a version is deprecated is said where versions are listed, and is no weakness.
  return [...of.advisories.values()]
    .filter(({ kind }) => kind !== 'deprecated')
    .map((advisory) => osvDocument(advisory, of, site));
}

function osvDocument(advisory: FiledAdvisory, of: Package, { baseUrl }: SiteContext): OsvDocument {
  const id = ID_PREFIX + advisory.id;
  const { filedAt, withdrawnAt, aliases, summary, details, severity, cvss, cwe, kind, url } = advisory;
  const affected = affectedBy(advisory, of);
  return {
    schema_version: '1.7.5',
    id,
    modified: lastChange(advisory, affected.releases),
    published: filedAt,
    ...(withdrawnAt === undefined ? {} : { withdrawn: withdrawnAt }),
    ...(aliases === undefined ? {} : { aliases }),
    summary,
    ...(details === undefined ? {} : { details }),
    ...(cvss === undefined ? {} : { severity: [{ type: 'CVSS_V3', score: cvss }] }),
    affected: [
      {
        package: { ecosystem: 'Ori', name: of.name },
        ...(affected.intervals.length > 0 ? { ranges: affected.intervals.map(rangeOf) } : {}),
        versions: affected.versions,
      },
    ],
    references: [{ type: 'ADVISORY', url: url ?? `${baseUrl}/v1/advisories/${id}` }],
    database_specific: {
      severity: severity.toUpperCase(),
      kind,
      ...(cwe === undefined ? {} : { cwe_ids: cwe }),
    },
  };
}

interface Affected {
  readonly intervals: readonly Interval[];
  /** Ori's client compares exactly: each of them is named. */
  readonly versions: readonly string[];
  /** Those that were found by a range: a later one may have changed the document. */
  readonly releases: readonly Release[];
}

/** One that names neither versions nor a range is about everything. */
function affectedBy({ versions, range }: FiledAdvisory, of: Package): Affected {
  const intervals = range === undefined ? (versions === undefined ? [{}] : []) : (intervalsIn(range) ?? []);
  const releases = ascending(of).filter(({ version }) => intervals.some((one) => isWithin(version, one)));
  const found = ascending(of).filter(
    (release) => releases.includes(release) || versions?.includes(release.version),
  );
  return { intervals, versions: found.map(({ version }) => version), releases };
}

/** One for each: a range that says both `fixed` and `last_affected` is none. */
function rangeOf({ introduced = '0', fixed, lastAffected }: Interval): object {
  const end =
    fixed === undefined ? (lastAffected === undefined ? [] : [{ last_affected: lastAffected }]) : [{ fixed }];
  return { type: 'SEMVER', events: [{ introduced }, ...end] };
}

/** RFC 3339 in UTC, all with milliseconds: their order is that of texts. */
function lastChange({ filedAt, withdrawnAt = filedAt }: FiledAdvisory, releases: readonly Release[]): string {
  return [filedAt, withdrawnAt, ...releases.map(({ publishedAt }) => publishedAt)].reduce((a, b) =>
    a < b ? b : a,
  );
}
