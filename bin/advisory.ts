/** Warnings about versions, filed and withdrawn by the operator. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { faultOf, type WantedAdvisory } from '../core/advisories.ts';
import { RegistryError } from '../core/errors.ts';
import type { Advisory, FiledAdvisory } from '../core/package.ts';
import { requireRegistry, withControl } from './control.ts';
import { readRegistry } from './open-registry.ts';
import { parsePackage } from './package-argument.ts';

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
  const wanted: WantedAdvisory = {
    ...(versions.length > 0 ? { versions } : {}),
    ...(range === undefined ? {} : { range }),
    kind,
    severity,
    summary,
    ...(url === undefined ? {} : { url }),
    ...(aliases.length > 0 ? { aliases } : {}),
    ...(cwe.length > 0 ? { cwe } : {}),
    ...(cvss === undefined ? {} : { cvss }),
    ...(details === '' ? {} : { details }),
  };
  const fault = faultOf(wanted);
  if ((range === undefined) === (versions.length === 0))
    throw wrong('say which versions it is about: --range RANGE, or --versions LIST');
  // What was said, where it is short.
  const said = new Map<string, string | undefined>(Object.entries({ url, cvss, details: flags.details }));
  if (fault)
    throw wrong(`--${[fault.field, said.get(fault.field)].filter(Boolean).join(' ')}: ${fault.says}`);
  return { id: randomUUID(), ...wanted };
}

function listIn(text = ''): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function wrong(message: string): RegistryError {
  return new RegistryError('bad-request', message);
}
