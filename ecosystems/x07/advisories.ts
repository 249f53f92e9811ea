/** Advisories (contract, section 9.7): in index lines while they are active, and in a list of their own for ever. */
import { createHash } from 'node:crypto';
import { uuidFrom } from '../../core/accounts.ts';
import { asDigest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Advisory, FiledAdvisory, Package } from '../../core/package.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { ok, optionalText, readObject, requiredText, requireUuid, wrongShape } from './answers.ts';
import { isAskableName, isVersion } from './names.ts';
import { requireWord } from './scopes.ts';

const kinds = ['broken', 'security', 'deprecated'] as const;
const severities = ['low', 'medium', 'high', 'critical'] as const;
/** Limits of the client's own schema. */
const MAX_SUMMARY_LENGTH = 512;
const MAX_DETAILS_LENGTH = 65_536;
const MAX_URL_LENGTH = 2_048;
/** Longer details would crowd the 16 KiB of an event; they become a blob. */
const MAX_INLINE_DETAILS_BYTES = 2_048;

/** An advisory as clients read it, fields in their order. */
export function advisoryObject(of: Package, version: string, advisory: FiledAdvisory): object {
  return {
    schema_version: 'x07.pkg.advisory@0.1.0',
    id: advisory.id,
    package: of.name,
    version,
    kind: advisory.kind,
    severity: advisory.severity,
    summary: advisory.summary,
    ...(advisory.url === undefined ? {} : { url: advisory.url }),
    ...(advisory.details === undefined ? {} : { details: advisory.details }),
    created_at_utc: advisory.filedAt,
    ...(advisory.withdrawnAt === undefined ? {} : { withdrawn_at_utc: advisory.withdrawnAt }),
  };
}

/** Advisories about a version, oldest first, withdrawn ones included. */
export function advisoriesOf(of: Package, version: string): readonly FiledAdvisory[] {
  const filed = [...of.advisories.values()].filter(({ versions }) => versions?.includes(version));
  return [...filed, ...deprecationOf(of, version)].sort((a, b) =>
    a.filedAt + a.id < b.filedAt + b.id ? -1 : 1,
  );
}

/**
 * X07 has no word of its own for what is deprecated, and a kind of advisory that says it: what was deprecated elsewhere, by the command line
 * or by the registry's own API, is one as long as it is. It ends there as well.
 */
function deprecationOf(of: Package, version: string): readonly FiledAdvisory[] {
  const { at, message } = of.releases.get(version)?.deprecated ?? of.deprecated ?? {};
  if (at === undefined || message === undefined) return [];
  const letters = [...message];
  const isLong = letters.length > MAX_SUMMARY_LENGTH;
  return [
    {
      id: uuidFrom(
        createHash('sha256').update(`deprecated ${of.name} ${version} ${at}`).digest('hex').slice(0, 32),
      ),
      versions: [version],
      kind: 'deprecated',
      severity: 'low',
      summary: isLong ? `${letters.slice(0, MAX_SUMMARY_LENGTH - 1).join('')}…` : message,
      ...(isLong ? { details: message } : {}),
      filedAt: at,
      withdrawnAt: undefined,
    },
  ];
}

/** `GET v1/packages/{name}/{version}/advisories`, newest first. */
export function advisoryList(of: Package, version: string): object {
  return {
    ok: true,
    name: of.name,
    version,
    advisories: advisoriesOf(of, version)
      .toReversed()
      .map((advisory) => advisoryObject(of, version, advisory)),
  };
}

/** Most versions have none, and so no file: the API knows which of those exist. */
export async function noAdvisories(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name, version } = releaseIn(call);
  const of = existing(view, name, version);
  // Files of what is not for everybody are not there either.
  if (of.visibility !== 'public') throw new RegistryError('version-not-found', 'not found');
  return ok({ name: of.name, version, advisories: [] });
}

/** `POST v1/packages/{name}/{version}/advisories` */
export async function fileAdvisory(call: Call, view: StateView): Promise<Intent> {
  const shape = `{"kind":"${kinds.join('|')}","severity":"${severities.join('|')}","summary":"…"}, with "url" and "details" if wanted`;
  const body = await readObject(call, shape);
  const kind = kinds.find((known) => known === requiredText(body, 'kind', shape));
  const severity = severities.find((known) => known === requiredText(body, 'severity', shape));
  if (!kind || !severity) throw wrongShape(shape);
  const summary = requiredText(body, 'summary', shape).trim();
  const url = optionalText(body, 'url', shape)?.trim() ?? '';
  const written = optionalText(body, 'details', shape) ?? '';
  const details = written.trim() === '' ? '' : written;
  const actor = requireWord(call, 'owner.manage');
  const { name, version } = releaseIn(call);
  checkLength('summary', summary, MAX_SUMMARY_LENGTH);
  checkLength('url', url, MAX_URL_LENGTH);
  checkLength('details', details, MAX_DETAILS_LENGTH);
  if (summary === '') throw new RegistryError('invalid-advisory', 'summary must not be blank');
  const isLong = Buffer.byteLength(details) > MAX_INLINE_DETAILS_BYTES;
  const blob = isLong ? await call.stageText(details) : undefined;
  const advisory: Advisory = {
    id: call.newId(),
    versions: [version],
    kind,
    severity,
    summary,
    ...(url === '' ? {} : { url }),
    ...(blob ? { detailsDigest: blob.digest } : details === '' ? {} : { details }),
  };
  return {
    actor,
    blobs: blob ? [blob] : [],
    plan: () => [{ kind: 'file-advisory', ecosystem: 'x07', name, advisory }],
    answer: (_events, visibility) =>
      answerWith(view, name, version, advisory.id, blob ? details : undefined, visibility),
  };
}

/** `POST v1/packages/{name}/{version}/advisories/{id}/withdraw` */
export async function withdrawAdvisory(call: Call, view: StateView): Promise<Intent> {
  const { id = '' } = call.params;
  requireUuid(id);
  const actor = requireWord(call, 'owner.manage');
  const { name, version } = releaseIn(call);
  const advisoryId = id.toLowerCase();
  const digest = view.package('x07', name)?.advisories.get(advisoryId)?.detailsDigest;
  const details = digest === undefined ? undefined : await call.readText(asDigest(digest));
  return {
    actor,
    plan(now) {
      const advisory = existing(now, name, version).advisories.get(advisoryId);
      if (!advisory?.versions?.includes(version))
        throw new RegistryError('advisory-not-found', `${name} ${version} has no advisory ${advisoryId}`);
      return [{ kind: 'withdraw-advisory', ecosystem: 'x07', name, advisoryId }];
    },
    answer: (_events, visibility) => answerWith(view, name, version, advisoryId, details, visibility),
  };
}

function answerWith(
  view: StateView,
  name: string,
  version: string,
  id: string,
  details: string | undefined,
  visibility: Parameters<Intent['answer']>[1],
): HttpAnswer {
  const of = existing(view, name, version);
  const advisory = of.advisories.get(id);
  if (!advisory) throw new Error(`the advisory ${id} that was just recorded is not there`);
  const whole = details === undefined ? advisory : { ...advisory, details };
  return ok({ advisory: advisoryObject(of, version, whole) }, visibility);
}

function releaseIn({ params: { name = '', version = '' } }: Call): { name: string; version: string } {
  if (!isAskableName(name)) throw new RegistryError('invalid-name', 'invalid package name');
  if (!isVersion(version)) throw new RegistryError('invalid-version', 'invalid version');
  return { name, version };
}

function existing(view: StateView, name: string, version: string): Package {
  const of = view.package('x07', name);
  const release = of?.releases.get(version);
  if (!of || !release || release.withdrawnAt !== undefined)
    throw new RegistryError('version-not-found', 'not found');
  return of;
}

function checkLength(field: string, text: string, most: number): void {
  if ([...text].length > most)
    throw new RegistryError('invalid-advisory', `${field} has ${most} characters at most`);
}
