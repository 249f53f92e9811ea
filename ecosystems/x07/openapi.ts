/** What the API's document says of each route of the surface (contract, sections 4, 7, 8, 9 and 15). */
import type { JsonSchema, RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { count, flag, list, object, text, time } from '../schema-words.ts';
import { allWords } from './scopes.ts';

const id = { type: 'string', format: 'uuid' } as const;
const sha256 = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const name = { type: 'string', pattern: '^[a-z][a-z0-9_-]{0,127}$' } as const;
const texts = { type: 'array', items: text } as const;
const okFlag = { const: true } as const;

function orNull(schema: { readonly type: string } & JsonSchema): JsonSchema {
  return { ...schema, type: [schema.type, 'null'] };
}
function ref(schema: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${schema}` };
}

/** A page of a list, and what was asked for. */
function page(found: Record<string, JsonSchema>): JsonSchema {
  return object({ ok: okFlag, q: text, limit: count, offset: count, total: count, ...found });
}

const scopes = { type: 'array', items: { enum: allWords }, description: 'What a token allows.' } as const;

const schemas = {
  X07Error: object({
    code: { type: 'string', pattern: '^X07REG_[A-Z0-9_]+$' },
    message: text,
    request_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
  }),
  X07Ok: object({ ok: okFlag, degraded: text }, ['degraded']),
  X07Config: object(
    {
      dl: { type: 'string', format: 'uri' },
      api: { type: 'string', format: 'uri' },
      'auth-required': flag,
      sparse: { const: true },
      'verified-namespaces': texts,
      signing: object({
        kind: { const: 'ed25519' },
        public_keys: list(object({ id: text, ed25519_pub: text })),
      }),
    },
    ['verified-namespaces', 'signing'],
  ),
  X07CatalogItem: object(
    { name, is_official: flag, latest: text, description: text, docs: text, facets: texts },
    ['latest', 'description', 'docs', 'facets'],
  ),
  X07Advisory: object(
    {
      schema_version: { const: 'x07.pkg.advisory@0.1.0' },
      id,
      package: name,
      version: text,
      kind: { enum: ['broken', 'security', 'deprecated'] },
      severity: { enum: ['low', 'medium', 'high', 'critical'] },
      summary: { type: 'string', minLength: 1, maxLength: 512 },
      url: text,
      details: { type: 'string', maxLength: 65_536 },
      created_at_utc: time,
      withdrawn_at_utc: time,
    },
    ['url', 'details', 'withdrawn_at_utc'],
  ),
  X07Manifest: object(
    {
      schema_version: { const: 'x07.package@0.1.0' },
      name,
      description: text,
      license: text,
      docs: text,
      version: text,
      module_root: text,
      modules: { type: 'array', items: text, minItems: 1 },
      meta: { type: 'object' },
    },
    // Upstream's old versions lack them (contract, section 16).
    ['description', 'license', 'docs', 'meta'],
  ),
  X07Hit: object(
    {
      name,
      latest_version: orNull(text),
      is_official: flag,
      description: text,
      modules_count: count,
      facets: texts,
    },
    ['description', 'facets', 'modules_count'],
  ),
  X07Archetype: object({
    archetype: text,
    package_count: count,
    packages: list({ $ref: '#/components/schemas/X07Hit' }),
  }),
} satisfies Record<string, JsonSchema>;

export const doc: SurfaceDoc = {
  title: 'X07 packages: sparse index, downloads, and the API of `x07 pkg`',
  schemas,
  refusals: { 'application/json': ref('X07Error'), 'text/plain': text },
};

const badName = { 400: 'A name or a version is not one.' };
const notFound = { 404: 'There is no such package or version.' };
const needsToken = {
  401: 'No token, or not a good one.',
  403: 'The token lacks the scope, or its account the right.',
};
const needsJson = {
  400: 'The body is not JSON, or a name, a version or a value in it is not one.',
  413: 'The body is over 2 MiB.',
  415: 'The content type is not application/json.',
  422: 'The body is JSON of the wrong shape.',
};
const paging = {
  q: { description: 'What to look for; empty for everything.', schema: text },
  limit: { description: 'How many at most; over 100 is 100.', schema: { ...count, default: 20 } },
  offset: { description: 'How many to leave out first.', schema: { ...count, default: 0 } },
};
const entry = {
  summary: 'The versions of a package, one JSON object per line, ascending',
  success: { description: 'NDJSON; yanked versions are there, marked.', schema: text },
  refusals: { 400: 'Not a legal name, or not its folders.', 404: 'There is no such package.' },
};

export const docs = {
  service: {
    id: 'service',
    summary: 'Where things are',
    success: {
      description: 'Paths by what is there.',
      schema: object({ catalog: text, healthz: text, index: text, openapi: text, service: text, web: text }),
    },
    refusals: { 404: 'The site is not there yet.' },
  },
  config: {
    id: 'config',
    summary: 'Where downloads and the API are, and the keys that sign index lines',
    success: { description: 'The configuration of the sparse index.', schema: ref('X07Config') },
    refusals: { 404: 'The site is not there yet.' },
  },
  catalog: {
    id: 'catalog',
    summary: 'Every package, with its latest version',
    success: {
      description: 'In ascending order of name.',
      schema: object({
        schema_version: { const: 'x07.index-catalog@0.1.0' },
        packages: list(ref('X07CatalogItem')),
      }),
    },
    refusals: { 404: 'The site is not there yet.' },
  },
  shortEntry: { id: 'shortEntry', ...entry },
  entry: { id: 'entry', ...entry },
  shallowEntry: undefined,
  deepEntry: undefined,
  package: {
    id: 'package',
    summary: 'A package with its owners and versions, newest first',
    success: {
      description: 'The package.',
      schema: object(
        {
          ok: okFlag,
          name,
          latest_version: orNull(text),
          is_official: flag,
          owners: texts,
          versions: list(object({ version: text, cksum: sha256, yanked: flag, published_at: time })),
          facets: texts,
        },
        ['facets'],
      ),
    },
    refusals: { ...badName, ...notFound },
  },
  owners: {
    id: 'owners',
    summary: 'Who may publish a package',
    success: {
      description: 'Handles, sorted.',
      schema: object({ ok: okFlag, name, is_official: flag, owners: texts }),
    },
    refusals: { ...badName, ...notFound },
  },
  metadata: {
    id: 'metadata',
    summary: 'The manifest of a version',
    success: {
      description: 'The manifest, and what follows from it.',
      schema: object(
        {
          ok: okFlag,
          package: ref('X07Manifest'),
          cksum: sha256,
          is_official: flag,
          facets: texts,
          scale_classes_supported: texts,
          scale_tested: flag,
          scale_test_evidence_ref: text,
        },
        ['facets', 'scale_classes_supported', 'scale_tested', 'scale_test_evidence_ref'],
      ),
    },
    refusals: { ...badName, ...notFound },
  },
  advisories: {
    id: 'advisories',
    summary: 'Warnings about a version, newest first, withdrawn ones included',
    success: {
      description: 'The advisories.',
      schema: object({ ok: okFlag, name, version: text, advisories: list(ref('X07Advisory')) }),
    },
    refusals: { ...badName, ...notFound },
  },
  openapi: {
    id: 'openapi',
    summary: 'This document',
    success: { description: 'OpenAPI 3.1.', schema: { type: 'object' } },
    refusals: { 404: 'The site is not there yet.' },
  },
  download: {
    id: 'download',
    summary: 'The archive of a version, as it was uploaded',
    success: { description: 'An uncompressed tar (.x07pkg).' },
    refusals: { ...badName, ...notFound },
  },
  indexFolder: {
    id: 'indexFolder',
    summary: 'Leads to the index',
    success: { description: 'To the same with a final slash.' },
  },
  index: { id: 'index', summary: 'Leads to the catalog', success: { description: 'To the catalog.' } },
  openapiFolder: {
    id: 'openapiFolder',
    summary: 'Leads to this document',
    success: { description: 'To this document.' },
  },
  publish: {
    id: 'publish',
    summary: 'Publish a version',
    description: 'The first publish of a name makes the caller its owner. A version never changes.',
    scope: 'publish',
    body: { contentType: 'application/octet-stream', schema: { type: 'string', format: 'binary' } },
    success: {
      description: 'Published: durable, and visible to the next read.',
      schema: object({ ok: okFlag, name, version: text, cksum: sha256, index_path: text, degraded: text }, [
        'degraded',
      ]),
    },
    refusals: {
      400: 'The archive, its manifest, a module, the name or the version is not right, or it is over 64 MiB.',
      ...needsToken,
      409: 'The version exists.',
    },
  },
  yank: {
    id: 'yank',
    summary: 'Hide a version from resolution, or offer it again',
    scope: 'owner.manage',
    body: { contentType: 'application/json', schema: object({ yanked: flag }) },
    success: {
      description: 'So it is now.',
      schema: object({ ok: okFlag, name, version: text, yanked: flag, degraded: text }, ['degraded']),
    },
    refusals: { ...needsJson, ...needsToken, ...notFound },
  },
  addOwner: {
    id: 'addOwner',
    summary: 'Let another account publish a package',
    scope: 'owner.manage',
    body: { contentType: 'application/json', schema: object({ handle: text }) },
    success: { description: 'An owner now, or before already.', schema: ref('X07Ok') },
    refusals: { ...needsJson, ...needsToken, 404: 'There is no such package or user.' },
  },
  removeOwner: {
    id: 'removeOwner',
    summary: 'Take an account from the owners of a package; the last one stays',
    scope: 'owner.manage',
    success: { description: 'No owner any more.', schema: ref('X07Ok') },
    refusals: { ...badName, ...needsToken, 404: 'There is no such package, or no such owner of it.' },
  },
  fileAdvisory: {
    id: 'fileAdvisory',
    summary: 'Warn of a version',
    scope: 'owner.manage',
    body: {
      contentType: 'application/json',
      schema: object(
        {
          kind: { enum: ['broken', 'security', 'deprecated'] },
          severity: { enum: ['low', 'medium', 'high', 'critical'] },
          summary: text,
          url: orNull(text),
          details: orNull(text),
        },
        ['url', 'details'],
      ),
    },
    success: {
      description: 'Filed, and in the index line of the version.',
      schema: object({ ok: okFlag, advisory: ref('X07Advisory'), degraded: text }, ['degraded']),
    },
    refusals: { ...needsJson, ...needsToken, ...notFound },
  },
  withdrawAdvisory: {
    id: 'withdrawAdvisory',
    summary: 'Take a warning back; the record stays',
    scope: 'owner.manage',
    success: {
      description: 'Withdrawn; asked again, the first time is kept.',
      schema: object({ ok: okFlag, advisory: ref('X07Advisory'), degraded: text }, ['degraded']),
    },
    refusals: { ...badName, ...needsToken, 404: 'There is no such version, or no such advisory about it.' },
  },
  search: {
    id: 'search',
    summary: 'Packages whose names contain a text, in ascending order',
    query: {
      ...paging,
      scale_tested: { description: 'Only those whose latest version is scale tested.', schema: flag },
    },
    success: {
      description: 'One page of the hits.',
      schema: page({ packages: list(ref('X07Hit')) }),
    },
    refusals: { 400: 'A value of the query is not one.' },
  },
  listArchetypes: {
    id: 'listArchetypes',
    summary: 'Archetypes, with their packages',
    query: paging,
    success: {
      description: 'One page of them.',
      schema: page({ archetypes: list(ref('X07Archetype')) }),
    },
    refusals: { 400: 'A value of the query is not one.' },
  },
  showArchetype: {
    id: 'showArchetype',
    summary: 'The packages of one archetype',
    success: {
      description: 'The archetype.',
      schema: { allOf: [object({ ok: okFlag }), ref('X07Archetype')] },
    },
    refusals: { 400: 'The archetype is blank.', 404: 'No package has it.' },
  },
  checkToken: {
    id: 'checkToken',
    summary: 'Is this token good?',
    scope: 'any',
    success: { description: 'It is.', schema: ref('X07Ok') },
    refusals: { 401: needsToken[401] },
  },
  showAccount: {
    id: 'showAccount',
    summary: 'Whose token this is, and what it allows',
    scope: 'any',
    success: {
      description: 'The account.',
      schema: object({ ok: okFlag, user_id: id, handle: text, token_id: id, scopes }),
    },
    refusals: { 401: needsToken[401] },
  },
  listTokens: {
    id: 'listTokens',
    summary: "One's own tokens, newest first; never the tokens themselves",
    scope: 'token.manage',
    success: {
      description: 'Revoked ones included.',
      schema: object({
        ok: okFlag,
        tokens: list(
          object({
            id,
            label: text,
            scopes,
            created_at: time,
            last_used_at: orNull(time),
            revoked_at: orNull(time),
          }),
        ),
      }),
    },
    refusals: needsToken,
  },
  createToken: {
    id: 'createToken',
    summary: 'A new token for the same account',
    description:
      'Without scopes: `publish`. It is good for no more places, and for no longer, than the token that asks.',
    scope: 'token.manage',
    body: {
      contentType: 'application/json',
      schema: object({ label: orNull(text), scopes: orNull({ type: 'array', items: text }) }, [
        'label',
        'scopes',
      ]),
    },
    success: {
      description: 'The token is shown only this once.',
      schema: object({ ok: okFlag, token_id: id, token: text, scopes }),
    },
    refusals: { ...needsJson, ...needsToken },
  },
  revokeToken: {
    id: 'revokeToken',
    summary: 'End a token at once',
    scope: 'token.manage',
    success: { description: 'It has ended.', schema: ref('X07Ok') },
    refusals: { 400: 'The id is not a UUID.', ...needsToken, 404: "No such token, or not one's own." },
  },
  bootstrap: {
    id: 'bootstrap',
    summary: 'The first account of a registry, and a token for it',
    description:
      'The bearer token is the secret that the operator has configured. Without scopes: all of them.',
    scope: 'bootstrap',
    body: {
      contentType: 'application/json',
      schema: object({ handle: text, label: orNull(text), scopes: orNull({ type: 'array', items: text }) }, [
        'label',
        'scopes',
      ]),
    },
    success: {
      description: 'The token is shown only this once.',
      schema: object({ ok: okFlag, user_id: id, handle: text, token_id: id, token: text, scopes }),
    },
    refusals: { ...needsJson, 401: 'Not the secret.', 403: 'Bootstrap is not enabled.' },
  },
  showSession: {
    id: 'showSession',
    summary: 'Is somebody signed in with a browser? There is no such sign-in, so nobody is',
    success: { description: 'Nobody.', schema: object({ ok: okFlag, authenticated: { const: false } }) },
  },
  startGitHub: {
    id: 'startGitHub',
    summary: 'Sign-in with GitHub, which is not configured',
    success: 'never',
    refusals: { 400: 'It is not configured.' },
  },
  finishGitHub: {
    id: 'finishGitHub',
    summary: 'The way back from GitHub',
    success: 'never',
    refusals: { 400: 'It is not configured.' },
  },
  logout: {
    id: 'logout',
    summary: 'End a browser session',
    success: 'never',
    refusals: { 401: 'There is no session.' },
  },
} as const satisfies Record<string, RouteDoc | undefined>;
