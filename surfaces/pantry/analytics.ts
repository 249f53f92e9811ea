/** Counts, as of this moment (contract, section 6). `counted-files.ts` says the same to static hosts, a little later. */
import {
  categories,
  isCountableName,
  isCountableVersion,
  type Category,
  type CategoryReport,
} from '../../core/count.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Counters } from '../../core/ports.ts';
import type { ApiRoute, Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { isObject } from '../../ecosystems/npm/manifest.ts';
import { answer } from '../../ecosystems/pantry-answers.ts';
import { wholeNumber } from '../../ecosystems/whole-number.ts';
import { rules as npmRules } from '../../ecosystems/npm/names.ts';

export const TOP_LIMIT = 10;
export const TIMELINE_DAYS = 30;
const MOST = 100;
const MOST_DAYS = 365;
const REQUESTED_LIMIT = 20;
/** What the command line sends after an install of very many packages. */
const MAX_EVENTS = 500;
const MAX_EVENTS_BYTES = 512 * 1024;

/** `analytics/top` */
export async function showTop(call: Call): Promise<HttpAnswer> {
  const limit = Math.min(wholeNumber(call, 'limit') ?? TOP_LIMIT, MOST);
  return answer(200, topOf(call.counters, limit));
}

export function topOf(counters: Counters, limit: number): object {
  return { packages: counters.top(limit) };
}

/** `analytics/{name}` */
export async function showStats(call: Call): Promise<HttpAnswer> {
  const stats = call.counters.statsOf(call.params['name'] ?? '');
  if (stats) return answer(200, stats);
  throw new RegistryError('not-found', 'No analytics data for this package');
}

/** `analytics/{name}/timeline` */
export async function showTimeline(call: Call): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  const days = Math.min(Math.max(wholeNumber(call, 'days') ?? TIMELINE_DAYS, 1), MOST_DAYS);
  return answer(200, timelineOf(call.counters, name, days));
}

export function timelineOf(counters: Counters, name: string, days: number): object {
  return { packageName: name, timeline: counters.timeline(name, days) };
}

/** `analytics/{name}/requested-versions` */
export async function showRequestedVersions(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  const limit = Math.min(wholeNumber(call, 'limit') ?? REQUESTED_LIMIT, MOST);
  const requests = call.counters.requestedVersions(name, limit, (version) => hasVersion(view, name, version));
  return answer(200, { packageName: name, requests });
}

const reports = {
  install: 'install',
  'install-on-request': 'install_on_request',
  'build-error': 'build_error',
} as const satisfies Record<string, CategoryReport['category']>;
const spans = { '30d': 30, '90d': 90, '365d': 365 } as const;
export type ReportName = keyof typeof reports;
export type ReportSpan = keyof typeof spans;

/** `analytics/install/30d`, and the same below `api/` with `.json` at its end. */
export function showReport(name: ReportName, span: ReportSpan): ApiRoute['handle'] {
  return async (call) => answer(200, reportOf(call, name, span), { 'cache-control': 'public, max-age=3600' });
}

/** A long report takes a while to make, and anybody may ask: it is made at most this often. */
const REPORT_KEPT_MS = 60_000;
const LONG_REPORT = 5_000;
const longReports = new WeakMap<
  Counters,
  Map<string, { readonly madeMs: number; readonly report: CategoryReport }>
>();

function reportOf(call: Call, name: ReportName, span: ReportSpan): CategoryReport {
  const { counters } = call;
  const kept = longReports.get(counters)?.get(name + span);
  const nowMs = Date.parse(call.now());
  if (kept && nowMs - kept.madeMs < REPORT_KEPT_MS) return kept.report;
  const report = counters.categoryReport(reports[name], spans[span]);
  if (report.total_items >= LONG_REPORT) {
    const all = longReports.get(counters) ?? new Map<string, { madeMs: number; report: CategoryReport }>();
    longReports.set(counters, all.set(name + span, { madeMs: nowMs, report }));
  }
  return report;
}

/** `POST analytics/events`: one, or a list of them. Nobody has to say who they are. */
export async function takeEvents(call: Call, view: StateView): Promise<HttpAnswer> {
  const events = await readEvents(call);
  // All of them are looked at before one counts.
  const counted = events.map((event) => countedOf(event, view));
  for (const event of counted) call.counters.count(event);
  return answer(200, { success: true });
}

async function readEvents(call: Call): Promise<readonly unknown[]> {
  try {
    const body = await call.readJson({ maxBytes: MAX_EVENTS_BYTES });
    if (!Array.isArray(body)) return [body];
    if (body.length <= MAX_EVENTS) return body as readonly unknown[];
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'malformed-body') throw error;
    throw new RegistryError('malformed-body', 'Invalid JSON body', { cause: error });
  }
  throw new RegistryError('body-too-large', `send at most ${MAX_EVENTS} events at once`);
}

function countedOf(event: unknown, view: StateView): Parameters<Counters['count']>[0] {
  const said = isObject(event) ? event : {};
  const { packageName: name, category, version } = said;
  if (typeof name !== 'string' || !isCountableName(name))
    throw new RegistryError('bad-request', 'Missing or invalid packageName');
  if (!isCategory(category))
    throw new RegistryError(
      'bad-request',
      `Missing or invalid category. Must be one of: ${['install', 'install_on_request', 'build_error', 'download'].join(', ')}`,
    );
  const ofVersion = typeof version === 'string' && isCountableVersion(version) ? version : 'unknown';
  const ours = hasVersion(view, name, ofVersion) ? 'version' : hasName(view, name) ? 'name' : 'nothing';
  return { name, category, version: ofVersion, ours };
}

function isCategory(value: unknown): value is Category {
  return categories.some((category) => category === value);
}

/** Never of private packages: how something is counted would tell that they exist. */
function hasName(view: StateView, name: string): boolean {
  return publicPackage(view, name) !== undefined || view.package('zig', name)?.name === name;
}

function hasVersion(view: StateView, name: string, version: string): boolean {
  const ofNpm = publicPackage(view, name)?.releases.has(npmRules.versionKey(version)) ?? false;
  const ofZig = view.package('zig', name);
  return ofNpm || (ofZig?.name === name && ofZig.releases.has(version));
}

function publicPackage(view: StateView, name: string): ReturnType<StateView['package']> {
  if (view.privateReaders('npm', name)) return undefined;
  const found = view.package('npm', name);
  return found?.name === name && found.visibility === 'public' ? found : undefined;
}
