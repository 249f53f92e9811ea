/** Warnings about versions, filed and withdrawn by the operator. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { baseScore } from '../core/cvss.ts';
import { RegistryError } from '../core/errors.ts';
import type { Advisory, FiledAdvisory } from '../core/package.ts';
import { requireRegistry, withControl } from './control.ts';
import { readRegistry } from './open-registry.ts';
import { parsePackage } from './package-argument.ts';

const MAX_SUMMARY_LENGTH = 512;
const MAX_URL_LENGTH = 2048;
/** Longer ones would crowd the line of the event. */
const MAX_DETAILS_BYTES = 4096;
const MAX_VERSIONS = 512;
const MAX_WEAKNESSES = 16;
const MAX_ALIASES = 16;

type PackageArgument = ReturnType<typeof parsePackage>;

interface FileFlags {
  readonly range?: string;
  readonly versions?: string;
  /** The command line offers no others. */
  readonly severity: Advisory['severity'];
  readonly kind: Advisory['kind'];
  readonly summary: string;
  readonly url?: string;
  readonly aliases?: string;
  readonly cwe?: string;
  readonly cvss?: string;
  readonly details?: string;
}

export async function fileAdvisory(dataDirectory: string, text: string, flags: FileFlags): Promise<void> {
  const of = parsePackage(text);
  const advisory = advisoryOf(flags);
  const { visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'file-advisory', ...of, advisory }]),
  );
  // Alone on its line, for a script to take; the rest is for a person.
  console.log(advisory.id);
  console.error(`Filed against ${text} ${whichVersions(advisory)}; withdraw it by this id.`);
  sayIfDegraded(visibility);
}

export async function withdrawAdvisory(dataDirectory: string, text: string, id: string): Promise<void> {
  const of = parsePackage(text);
  const { events, visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'withdraw-advisory', ...of, advisoryId: id }]),
  );
  console.log(events.length === 0 ? `${id} is withdrawn already` : `withdrew ${id}`);
  sayIfDegraded(visibility);
}

function sayIfDegraded(visibility: string): void {
  if (visibility === 'degraded')
    console.error('cairn: recorded, but the site does not show it yet; see: cairn doctor');
}

/** Prints what was filed, of one package when it is named; withdrawn ones too. */
export async function listAdvisories(
  dataDirectory: string,
  text: string | undefined,
  flags: { readonly json?: boolean },
): Promise<void> {
  requireRegistry(dataDirectory);
  const wanted = text === undefined ? undefined : parsePackage(text);
  const registry = await readRegistry(dataDirectory);
  try {
    for (const { ecosystem, name } of wanted ? [wanted] : packagesIn(registry)) {
      const of = registry.state.package(ecosystem, name);
      if (of?.name !== name)
        throw new RegistryError('package-not-found', `no package ${text} in this registry`);
      for (const advisory of of.advisories.values())
        console.log(
          flags.json
            ? JSON.stringify({ ecosystem, name, ...advisory })
            : lineOf(`${ecosystem}/${name}`, advisory),
        );
    }
  } finally {
    await registry.close();
  }
}

/** Packages that something was filed against, in the order in which that first happened. */
function packagesIn({ log }: Awaited<ReturnType<typeof readRegistry>>): Iterable<PackageArgument> {
  const found = new Map<string, PackageArgument>();
  for (let seq = 0; seq < log.length; seq += 1) {
    const event = log.read(seq);
    if (event.kind !== 'advisory-filed') continue;
    const { ecosystem, name } = event;
    found.set(`${ecosystem}/${name}`, { ecosystem, name });
  }
  return found.values();
}

function lineOf(of: string, advisory: FiledAdvisory): string {
  const { id, kind, severity, summary, withdrawnAt } = advisory;
  const state = withdrawnAt === undefined ? 'active' : `withdrawn ${withdrawnAt}`;
  // Owners wrote it, and a terminal obeys some characters.
  const sentence = summary.replace(/\p{Cc}/gu, ' ');
  return [id, of, severity, kind, whichVersions(advisory), state, sentence].join('  ');
}

function whichVersions({ range, versions = [] }: Advisory): string {
  const parts = [...(range === undefined ? [] : [range]), ...versions];
  return parts.length > 0 ? parts.join(' || ') : 'all versions';
}

/** @throws RegistryError `bad-request` naming the option that is wrong. */
function advisoryOf(flags: FileFlags): Advisory {
  const { range, severity, kind, url, cvss } = flags;
  const versions = listIn(flags.versions);
  const cwe = listIn(flags.cwe);
  const aliases = listIn(flags.aliases);
  const summary = flags.summary.trim();
  const details = flags.details === undefined ? '' : readFileSync(flags.details, 'utf8').trim();
  if ((range === undefined) === (versions.length === 0))
    throw wrong('say which versions it is about: --range RANGE, or --versions LIST');
  if (versions.length > MAX_VERSIONS) throw wrong(`--versions: ${MAX_VERSIONS} at most; use --range`);
  if (summary === '' || [...summary].length > MAX_SUMMARY_LENGTH)
    throw wrong(`--summary: one sentence of ${MAX_SUMMARY_LENGTH} characters at most`);
  if (url !== undefined && !isLink(url)) throw wrong(`--url ${url}: use an http or https URL`);
  if (aliases.length > MAX_ALIASES || !aliases.every(isAlias))
    throw wrong('--aliases: use a list such as CVE-2026-00001,GHSA-aaaa-bbbb-cccc');
  if (cwe.length > MAX_WEAKNESSES || !cwe.every((id) => /^CWE-\d{1,6}$/.test(id)))
    throw wrong('--cwe: use a list such as CWE-79,CWE-1321');
  if (cvss !== undefined && baseScore(cvss) === undefined)
    throw wrong(`--cvss ${cvss}: use a vector such as CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`);
  if (Buffer.byteLength(details) > MAX_DETAILS_BYTES)
    throw wrong(`--details ${flags.details}: ${MAX_DETAILS_BYTES} bytes at most; put the rest at --url`);
  return {
    id: randomUUID(),
    ...(range === undefined ? { versions } : { range }),
    kind,
    severity,
    summary,
    ...(url === undefined ? {} : { url }),
    ...(aliases.length > 0 ? { aliases } : {}),
    ...(cwe.length > 0 ? { cwe } : {}),
    ...(cvss === undefined ? {} : { cvss }),
    ...(details === '' ? {} : { details }),
  };
}

function listIn(text = ''): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** As databases write their ids. */
function isAlias(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_]*-[A-Za-z0-9._:-]{1,100}$/.test(text);
}

function isLink(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text) && text.length <= MAX_URL_LENGTH;
}

function wrong(message: string): RegistryError {
  return new RegistryError('bad-request', message);
}
