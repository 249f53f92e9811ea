/**
 * Audits (contract, section 10): whether anything is known against what somebody has installed. Every install asks, with
 * the names of all that it installed, most of them not ours.
 */
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { Summary } from '../../core/site.ts';
import type { StateView } from '../../core/state.ts';
import { answer, wrongShape } from './answers.ts';
import { placesIn, walk, type Installed } from './audit-tree.ts';
import { isObject } from './manifest.ts';
import { rules } from './names.ts';
import { siteOf } from '../ecosystem.ts';
import { knownPackage } from './reads.ts';
import { hasWarnings } from './summary.ts';
import { warningsAbout, type Warning } from './warnings.ts';

const MAX_BODY_BYTES = 16 * 1024 ** 2;
/** Versions asked about, all packages together: far over what anybody installs. */
const MAX_VERSIONS = 50_000;

/** `POST -/npm/v1/security/advisories/bulk` */
export async function auditBulk(call: Call, view: StateView): Promise<HttpAnswer> {
  const asked = versionsIn(await call.readJson({ maxBytes: MAX_BODY_BYTES }));
  const found = await warningsOf(call, view, asked);
  return answer(
    200,
    Object.fromEntries([...found].map(([name, warnings]) => [name, warnings.map(bulkObject)])),
  );
}

function versionsIn(body: unknown): ReadonlyMap<string, readonly string[]> {
  const shape = 'an object with a list of versions for each package, such as {"@acme/lib":["1.0.0"]}';
  if (!isObject(body)) throw wrongShape(shape);
  const asked = new Map<string, readonly string[]>();
  let count = 0;
  for (const [name, versions] of Object.entries(body)) {
    if (!isListOfTexts(versions)) throw wrongShape(shape);
    count += Math.max(versions.length, 1);
    asked.set(name, versions);
  }
  if (count > MAX_VERSIONS)
    throw new RegistryError('bad-request', `ask about ${MAX_VERSIONS} versions at most, in several requests`);
  return asked;
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function bulkObject({ id, url, advisory, severity, vulnerableVersions, cwe, cvss }: Warning): object {
  return {
    id,
    url,
    title: advisory.summary,
    severity,
    vulnerable_versions: vulnerableVersions,
    cwe,
    cvss,
  };
}

/** What is known against these versions, by package; packages that the caller may not know of are as good as unknown. */
async function warningsOf(
  call: Call,
  view: StateView,
  asked: ReadonlyMap<string, readonly string[]>,
): Promise<ReadonlyMap<string, readonly Warning[]>> {
  const actor = call.authenticate();
  const summaries = await call.summaries();
  const site = siteOf(call, view);
  const warned = (name: string): Package | undefined => {
    const summary = summaryOf(name, summaries);
    // Few packages have ever been warned of: only those are put together from the log.
    if (summary) return hasWarnings(summary) ? view.package('npm', name) : undefined;
    // Not public, or not here at all. Nobody without a token can tell which from the time it takes.
    return actor && knownPackage(view, name, actor);
  };
  const found = new Map<string, readonly Warning[]>();
  for (const [name, versions] of asked) {
    const of = warned(name);
    const warnings = of ? warningsAbout(of, versions, site) : [];
    if (warnings.length > 0) found.set(name, warnings);
  }
  return found;
}

/** Of exactly this name. Summaries are in the order of their keys, and a million of them need no other index. */
function summaryOf(name: string, summaries: readonly Summary[]): Summary | undefined {
  const key = rules.nameKey(name);
  let [low, high] = [0, summaries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rules.nameKey(summaries[middle]?.name ?? '') < key) low = middle + 1;
    else high = middle;
  }
  const summary = summaries[low];
  return summary?.name === name ? summary : undefined;
}

/** `POST -/npm/v1/security/audits` and `…/quick`: the older dialect, whose body is a tree as in a lock file. */
export async function auditTree(call: Call, view: StateView): Promise<HttpAnswer> {
  const tree = walk(await call.readJson({ maxBytes: MAX_BODY_BYTES }));
  const versions = new Map([...tree.installed].map(([name, byVersion]) => [name, [...byVersion.keys()]]));
  const found = await warningsOf(call, view, versions);
  const advisories = new Map<number, object>();
  const vulnerabilities = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 };
  for (const [name, warnings] of found)
    for (const warning of warnings) {
      let { id } = warning;
      // Numbers are told apart within a package only.
      while (advisories.has(id)) id += 1;
      advisories.set(id, treeObject(id, name, warning, tree.installed.get(name)));
      vulnerabilities[warning.severity] += 1;
    }
  return answer(200, {
    actions: [],
    advisories: Object.fromEntries(advisories),
    muted: [],
    metadata: { vulnerabilities, ...tree.counts },
  });
}

/** Clients print some of these fields, and fall over where others are missing. */
function treeObject(id: number, name: string, warning: Warning, installed: Installed | undefined): object {
  const { advisory } = warning;
  return {
    ...bulkObject(warning),
    id,
    module_name: name,
    findings: placesIn(installed, advisory),
    overview: advisory.summary,
    recommendation: '',
    references: warning.url,
    patched_versions: patchedVersions(warning.vulnerableVersions),
    cves: [],
    access: 'public',
    created: advisory.filedAt,
    updated: advisory.filedAt,
    deleted: null,
  };
}

/** What is above everything that is bad; where that is not plain, the range by which clients say that there is none. */
function patchedVersions(vulnerable: string): string {
  const [, version] = /^<\s*(\d+\.\d+\.\d+)$/.exec(vulnerable) ?? [];
  return version === undefined ? '<0.0.0' : `>=${version}`;
}
