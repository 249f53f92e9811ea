/** Deprecation and advisories by request, for every ecosystem; each shows them in its own form, where its protocol has one. */
import { visiblePackage } from '../core/access.ts';
import { advisoryKinds, faultOf, severities, type WantedAdvisory } from '../core/advisories.ts';
import { requireMessage } from '../core/deprecation.ts';
import { RegistryError } from '../core/errors.ts';
import type { FiledAdvisory } from '../core/package.ts';
import type { Call, DocumentedRoute, HttpAnswer, Intent } from '../core/route.ts';
import type { StateView } from '../core/state.ts';
import { rulesOf } from '../ecosystems/index.ts';
import { list, object, text, time } from '../ecosystems/schema-words.ts';
import {
  json,
  named,
  namedIn,
  namedSchema,
  optionalText,
  readObject,
  requireCaller,
  textIn,
  textsIn,
  wordIn,
  type Body,
} from './lifecycle-bodies.ts';

const said = {
  kind: { enum: advisoryKinds },
  severity: { enum: severities },
  summary: { ...text, description: 'One sentence.' },
  versions: { ...list(text), description: 'The exact versions it is about.' },
  range: { ...text, description: "Or a range in the ecosystem's own words, where its clients know ranges." },
  url: { ...text, description: 'Where to read more.' },
  aliases: { ...list(text), description: 'Its ids elsewhere, such as CVE-2026-00001.' },
  cwe: { ...list(text), description: 'Kinds of weakness, such as CWE-79.' },
  cvss: { ...text, description: 'A vector of version 3.' },
  details: { ...text, description: 'More text.' },
};
const optional = ['versions', 'range', 'url', 'aliases', 'cwe', 'cvss', 'details'];
const advisorySchema = object({ id: text, ...said, filed_at: time, withdrawn_at: time }, [
  ...optional,
  'withdrawn_at',
]);

const refusals = {
  401: 'No token or password, a bad one, or a code is needed (header `npm-otp`).',
  403: 'A scope is missing, or the package is not this account’s.',
  404: 'No such package, version or advisory.',
  413: 'Too long.',
  415: 'No JSON.',
  422: 'Not of this shape.',
} as const;

export const warningRoutes: readonly DocumentedRoute[] = [
  {
    from: 'api',
    method: 'POST',
    pattern: '-/cairn/v1/deprecations',
    handle: deprecate,
    doc: {
      id: 'deprecate',
      summary: 'Say of a package, or of one version, that it is deprecated, or no longer',
      description:
        'An owner does. `message` is what its users read; null ends it. Repeating it changes nothing.',
      scope: 'yank',
      body: {
        contentType: 'application/json',
        schema: object({ ...namedSchema, version: text, message: { type: ['string', 'null'] } }, ['version']),
      },
      success: {
        description: 'As it is now.',
        schema: object({ ...namedSchema, version: text, deprecated: { type: ['string', 'null'] } }, [
          'version',
        ]),
      },
      refusals: { 400: 'No such ecosystem, or a message that cannot be.', ...refusals },
    },
  },
  {
    from: 'api',
    method: 'GET',
    pattern: '-/cairn/v1/advisories',
    handle: listAdvisories,
    doc: {
      id: 'advisories',
      summary: 'Advisories about a package, withdrawn ones too, in the order in which they were filed',
      query: {
        ecosystem: { description: 'Such as npm.', schema: { enum: namedSchema.ecosystem.enum } },
        name: { description: 'The package.', schema: text },
      },
      success: {
        description: 'All of them.',
        schema: object({ ...namedSchema, advisories: list(advisorySchema) }),
      },
      refusals: {
        400: 'No such ecosystem, or no name.',
        401: 'A bad token or password.',
        404: 'No such package, or a private one that this account may not see.',
      },
    },
  },
  {
    from: 'api',
    method: 'POST',
    pattern: '-/cairn/v1/advisories',
    handle: file,
    doc: {
      id: 'file-advisory',
      summary: 'Warn of versions of a package',
      description:
        'An owner or an administrator does. Who chooses the `id` (a UUID) may send the same again, and it is filed once.',
      scope: 'owner',
      body: {
        contentType: 'application/json',
        schema: object({ ...namedSchema, id: { type: 'string', format: 'uuid' }, ...said }, [
          'id',
          'kind',
          ...optional,
        ]),
      },
      success: { description: 'As it was filed.', schema: advisorySchema },
      refusals: {
        400: 'No such ecosystem, or an advisory that cannot be.',
        ...refusals,
        409: 'Another advisory has this id.',
      },
    },
  },
  {
    from: 'api',
    method: 'POST',
    pattern: '-/cairn/v1/advisories/{id}/withdraw',
    handle: withdraw,
    doc: {
      id: 'withdraw-advisory',
      summary: 'End a warning; the record stays',
      scope: 'owner',
      body: { contentType: 'application/json', schema: object(namedSchema) },
      success: { description: 'As it is now.', schema: advisorySchema },
      refusals: { 400: 'No such ecosystem.', ...refusals },
    },
  },
];

async function deprecate(call: Call): Promise<Intent> {
  const actor = await requireCaller(call, 'yank');
  const body = await readObject(call);
  const of = { ...namedIn(body), ...whatVersion(body) };
  if (!Object.hasOwn(body, 'message'))
    throw new RegistryError('wrong-shape', 'message is missing: it must be a text, or null to end it');
  const text = optionalText(body, 'message');
  const message = text === undefined ? undefined : requireMessage(text);
  return {
    actor,
    plan: () => [
      message === undefined ? { kind: 'undeprecate', ...of } : { kind: 'deprecate', ...of, message },
    ],
    answer: () => json(200, { ...of, deprecated: message ?? null }),
  };
}

function whatVersion(body: Body): { version?: string } {
  const version = optionalText(body, 'version');
  return version === undefined ? {} : { version };
}

async function listAdvisories(call: Call, view: StateView): Promise<HttpAnswer> {
  const { ecosystem, name } = named(call.query.get('ecosystem') ?? '', call.query.get('name') ?? '');
  const namespace = rulesOf(ecosystem).namespaceOf?.(name);
  const of = visiblePackage(view, { ecosystem, name, namespace }, call.authenticate());
  if (!of || (of.releases.size === 0 && of.refs.size === 0))
    throw new RegistryError('package-not-found', `package ${name} not found`);
  const { advisories } = await call.hydrate(of);
  return json(200, { ecosystem, name, advisories: [...advisories.values()].map(advisoryObject) });
}

async function file(call: Call, view: StateView): Promise<Intent> {
  const actor = await requireCaller(call, 'owner');
  const body = await readObject(call);
  const of = namedIn(body);
  const id = idIn(body) ?? call.newId();
  const wanted = wantedIn(body);
  return {
    actor,
    plan: () => [{ kind: 'file-advisory', ...of, advisory: { id, ...wanted } }],
    answer: () => answerWith(view, of, id),
  };
}

async function withdraw(call: Call, view: StateView): Promise<Intent> {
  const actor = await requireCaller(call, 'owner');
  const of = namedIn(await readObject(call));
  const { id = '' } = call.params;
  return {
    actor,
    plan: () => [{ kind: 'withdraw-advisory', ...of, advisoryId: id }],
    answer: () => answerWith(view, of, id),
  };
}

function answerWith(
  view: StateView,
  { ecosystem, name }: ReturnType<typeof namedIn>,
  id: string,
): HttpAnswer {
  const advisory = view.package(ecosystem, name)?.advisories.get(id);
  if (!advisory) throw new Error(`the advisory ${id} that was just recorded is not there`);
  return json(200, advisoryObject(advisory));
}

function advisoryObject(advisory: FiledAdvisory): object {
  const { filedAt, withdrawnAt, detailsDigest: _blob, ...said } = advisory;
  return { ...said, filed_at: filedAt, ...(withdrawnAt === undefined ? {} : { withdrawn_at: withdrawnAt }) };
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function idIn(body: Body): string | undefined {
  const id = optionalText(body, 'id');
  if (id === undefined || uuid.test(id)) return id;
  throw new RegistryError('wrong-shape', 'id must be a UUID in lower case');
}

/** @throws RegistryError `wrong-shape`, `invalid-advisory` */
function wantedIn(body: Body): WantedAdvisory {
  const versions = textsIn(body, 'versions');
  const [aliases, cwe] = [textsIn(body, 'aliases'), textsIn(body, 'cwe')];
  const [range, url, cvss, details] = ['range', 'url', 'cvss', 'details'].map((field) =>
    optionalText(body, field),
  );
  const wanted: WantedAdvisory = {
    kind: wordIn(body, 'kind', advisoryKinds, 'security'),
    severity: wordIn(body, 'severity', severities),
    summary: textIn(body, 'summary').trim(),
    ...(versions && versions.length > 0 ? { versions } : {}),
    ...(range === undefined ? {} : { range }),
    ...(url === undefined ? {} : { url }),
    ...(aliases && aliases.length > 0 ? { aliases } : {}),
    ...(cwe && cwe.length > 0 ? { cwe } : {}),
    ...(cvss === undefined ? {} : { cvss }),
    ...(details === undefined ? {} : { details }),
  };
  const fault = faultOf(wanted);
  if (fault) throw new RegistryError('invalid-advisory', `${fault.field}: ${fault.says}`);
  return wanted;
}
