/** What the API's document says of each route of the surface. A scoped name is one segment: `@scope%2fname`. */
import type { JsonSchema, RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { atStore, count, flag, list, object, text, time } from '../schema-words.ts';

function mapOf(items: JsonSchema): JsonSchema {
  return { type: 'object', additionalProperties: items };
}
function ref(schema: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${schema}` };
}

const person = object({ name: text, email: text });
const user = object({ username: text, email: text });
const link = { type: 'string', format: 'uri' } as const;
const warning = {
  id: { type: 'integer', minimum: 1 },
  url: text,
  title: text,
  severity: { enum: ['info', 'low', 'moderate', 'high', 'critical'] },
  vulnerable_versions: text,
  cwe: list(text),
  cvss: object({
    score: { type: 'number', minimum: 0, maximum: 10 },
    vectorString: { type: ['string', 'null'] },
  }),
} as const;
const permissions = mapOf({ const: 'write' });

const schemas = {
  NpmError: object({
    error: { type: 'string', minLength: 1 },
    request_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
  }),
  NpmDone: object({ ok: { const: true } }),
  NpmVersion: object(
    {
      name: text,
      version: text,
      _id: text,
      dist: object(
        {
          tarball: { type: 'string', format: 'uri' },
          integrity: { type: 'string', pattern: '^sha512-[A-Za-z0-9+/]{86}==$' },
          shasum: { type: 'string', pattern: '^[0-9a-f]{40}$' },
          fileCount: count,
          unpackedSize: count,
          signatures: list(object({ keyid: text, sig: text })),
          attestations: object({
            url: { type: 'string', format: 'uri' },
            provenance: object({ predicateType: text }),
          }),
        },
        ['signatures', 'attestations'],
      ),
      deprecated: text,
      hasInstallScript: { const: true },
      _npmUser: person,
    },
    ['deprecated', 'hasInstallScript'],
  ),
  NpmPackument: object(
    {
      _id: text,
      _rev: text,
      name: text,
      'dist-tags': mapOf(text),
      versions: mapOf({ $ref: '#/components/schemas/NpmVersion' }),
      time: object({ created: time, modified: time }),
      maintainers: list(person),
      readme: text,
      readmeFilename: text,
      users: mapOf({ const: true }),
    },
    // Gone with the last version; `time.unpublished` says when.
    ['dist-tags', 'versions', 'readme', 'readmeFilename', 'users'],
  ),
  NpmToken: object({
    token: text,
    key: { type: 'string', pattern: '^[0-9a-f]{32}$' },
    name: text,
    cidr_whitelist: { type: ['array', 'null'], items: text },
    readonly: flag,
    created: time,
    updated: time,
  }),
  NpmProfile: object({ name: text, email: text, fullname: text, tfa: { type: ['object', 'null'] } }),
  NpmUpstreamPackument: object(
    {
      name: text,
      'dist-tags': mapOf(text),
      versions: mapOf({ $ref: '#/components/schemas/NpmUpstreamVersion' }),
      // Only what is ours can be written.
      _rev: { not: {} },
    },
    ['dist-tags', 'versions', '_rev'],
  ),
  NpmUpstreamVersion: object({
    name: text,
    version: text,
    dist: object(
      { tarball: { type: 'string', format: 'uri' }, signatures: { not: {} }, attestations: { not: {} } },
      ['signatures', 'attestations'],
    ),
  }),
  NpmKeys: object({
    keys: list(
      object({
        expires: { type: ['string', 'null'], format: 'date-time' },
        keyid: text,
        keytype: text,
        scheme: text,
        key: text,
      }),
    ),
  }),
  NpmFound: object(
    {
      name: text,
      scope: text,
      version: text,
      description: text,
      keywords: list(text),
      date: time,
      links: object({ npm: link, homepage: link, repository: link, bugs: link }, [
        'homepage',
        'repository',
        'bugs',
      ]),
      publisher: user,
      maintainers: list(user),
    },
    ['description'],
  ),
  NpmAdvisory: object(warning),
  NpmFiledAdvisory: object(
    {
      ...warning,
      kind: { enum: ['broken', 'security', 'deprecated'] },
      details: text,
      created: time,
      withdrawn: time,
    },
    ['details', 'withdrawn'],
  ),
  NpmAudit: object({
    actions: { type: 'array', maxItems: 0 },
    advisories: mapOf(
      object({
        ...warning,
        module_name: text,
        findings: list(
          object({ version: text, paths: list(text), dev: flag, optional: flag, bundled: flag }),
        ),
        overview: text,
        patched_versions: text,
        references: text,
        created: time,
        updated: time,
      }),
    ),
    muted: { type: 'array', maxItems: 0 },
    metadata: object({
      vulnerabilities: object({ info: count, low: count, moderate: count, high: count, critical: count }),
      dependencies: count,
      devDependencies: count,
      optionalDependencies: count,
      totalDependencies: count,
    }),
  }),
} satisfies Record<string, JsonSchema>;

export const doc: SurfaceDoc = {
  title: 'npm packages: for npm, pnpm, Yarn and Bun',
  schemas,
  refusals: { 'application/json': ref('NpmError') },
};

const missing = { 404: 'There is no such package, or not for you.' };
const upstream = {
  502: 'It is not ours, and the upstream registry fails or sends what cannot be passed on.',
  504: 'It is not ours, and the upstream registry does not answer in time.',
};
const unsigned = { 401: 'No token, or not a good one.' };
const forbidden = { 403: 'The token lacks the scope, or its account is no owner.' };
const unread = { 400: 'The body cannot be read, or does not say what it has to.' };
const audited = {
  400: 'The body cannot be read, is of another shape, or asks about more than 50000 versions.',
  401: 'The token is not a good one; none is needed.',
  413: 'The body is over 16 MiB.',
  415: 'The body is not JSON, or packed in another way than gzip.',
};
const weight = {
  description: 'Accepted, and without effect: nobody measures it here.',
  schema: { type: 'number', minimum: 0 },
} as const;
const stale = { 409: 'The document has changed since it was read.' };
const tooMany = { 429: 'Too many wrong tries.' };
const over = { 404: 'The login is over, or was never started.' };
const done: RouteDoc['success'] = { description: 'Done, and visible.', schema: ref('NpmDone') };
const documentBody = { contentType: 'application/json', schema: { type: 'object' } } as const;

export const docs = {
  root: {
    id: 'root',
    summary: 'That somebody is here',
    success: { description: 'An empty object.', schema: object({}) },
  },
  ping: {
    id: 'ping',
    summary: 'That somebody is here',
    success: { description: 'An empty object.', schema: object({}) },
  },
  keys: {
    id: 'keys',
    summary: 'Public keys of the registry signatures',
    success: { description: 'All that were ever used.', schema: ref('NpmKeys') },
    refusals: { 404: 'Nothing is signed here.' },
  },
  packument: {
    id: 'packument',
    summary: 'A package and all its versions',
    description:
      'Of our own packages always the full document. Of others, where an upstream registry is asked, the form that is asked for.',
    success: {
      description: 'The document.',
      schema: { anyOf: [ref('NpmPackument'), ref('NpmUpstreamPackument')] },
      alternatives: { 'application/vnd.npm.install-v1+json': ref('NpmUpstreamPackument') },
    },
    refusals: { 400: 'The path is not valid percent-encoding.', ...missing, ...upstream },
  },
  version: {
    id: 'version',
    summary: 'One version, by its number or by a tag',
    success: {
      description: 'The version.',
      schema: { anyOf: [ref('NpmVersion'), ref('NpmUpstreamVersion')] },
    },
    refusals: { 404: 'There is no such version.', ...upstream },
  },
  tarball: {
    id: 'tarball',
    summary: 'The tarball of a version',
    success: { description: 'Its bytes.' },
    redirects: { 302: 'It is at the upstream registry.', 307: atStore },
    refusals: { ...missing, ...upstream },
  },
  distTags: {
    id: 'distTags',
    summary: 'Tags of a package',
    success: { description: 'Version by tag.', schema: mapOf(text) },
    refusals: { ...missing, ...upstream },
  },
  visibility: {
    id: 'visibility',
    summary: 'Whether everybody can see a package',
    success: { description: 'Whether it is public.', schema: object({ public: flag }) },
    refusals: missing,
  },
  collaborators: {
    id: 'collaborators',
    summary: 'Who may publish a package',
    success: { description: 'Permission by account.', schema: mapOf({ enum: ['read', 'write'] }) },
    refusals: missing,
  },
  attestations: {
    id: 'attestations',
    summary: 'Provenance of a version, as `name@version`',
    success: {
      description: 'Sigstore bundles.',
      schema: object({ attestations: list(object({ predicateType: text, bundle: { type: 'object' } })) }),
    },
    refusals: missing,
  },
  putDocument: {
    id: 'putDocument',
    summary: 'Publish a version, deprecate, or star',
    description:
      'With a tarball attached, in base64, this publishes. Without one it is the document as it was read, edited: only the change in `deprecated`, `users` or `maintainers` counts.',
    scope: 'publish',
    body: documentBody,
    success: { status: 201, description: 'Published, and visible.', schema: ref('NpmDone') },
    refusals: {
      ...unread,
      ...unsigned,
      403: 'Not an owner, or the version exists.',
      ...missing,
      ...stale,
      413: 'The tarball is over 256 MiB, the provenance bundle over 1 MiB, or the rest of the document over 64 MiB.',
      415: 'The body is packed in another way than gzip.',
      422: 'The tarball or its package.json is not right, or the document says otherwise; or the provenance does not verify.',
    },
  },
  putRevision: {
    id: 'putRevision',
    summary: 'Change owners, or take versions out',
    scope: 'owner',
    body: documentBody,
    success: done,
    refusals: { ...unread, ...unsigned, ...forbidden, ...missing, ...stale },
  },
  deletePackage: {
    id: 'deletePackage',
    summary: 'Take a package out',
    scope: 'yank',
    success: done,
    refusals: { ...unsigned, ...forbidden, ...missing, ...stale },
  },
  deleteTarball: {
    id: 'deleteTarball',
    summary: 'The second half of taking a version out',
    scope: 'yank',
    success: done,
    refusals: { ...unsigned, ...missing, 409: 'The version is still in the document.' },
  },
  putDistTag: {
    id: 'putDistTag',
    summary: 'Set a tag',
    scope: 'publish',
    body: { contentType: 'application/json', schema: text },
    success: done,
    refusals: { ...unread, ...unsigned, ...forbidden, ...missing },
  },
  deleteDistTag: {
    id: 'deleteDistTag',
    summary: 'Remove a tag',
    scope: 'publish',
    success: done,
    refusals: { 400: 'It is latest.', ...unsigned, ...forbidden, ...missing },
  },
  postAccess: {
    id: 'postAccess',
    summary: 'Make a package public or restricted',
    scope: 'owner',
    body: { contentType: 'application/json', schema: object({ access: { enum: ['public', 'restricted'] } }) },
    success: done,
    refusals: { ...unread, ...unsigned, ...forbidden, ...missing },
  },
  putStar: {
    id: 'putStar',
    summary: 'Mark a package as a favourite',
    scope: 'publish',
    success: done,
    refusals: { ...unsigned, ...missing },
  },
  deleteStar: {
    id: 'deleteStar',
    summary: 'Take that back',
    scope: 'publish',
    success: done,
    refusals: { ...unsigned, ...missing },
  },
  putUser: {
    id: 'putUser',
    summary: 'Log in with a password',
    description: 'Where registration is open, an unknown name with an e-mail address becomes an account.',
    body: {
      contentType: 'application/json',
      schema: object({ name: text, password: text, email: text }, ['name', 'email']),
    },
    success: {
      status: 201,
      description: 'A token, shown only now.',
      schema: object({ ok: { const: true }, id: text, token: text }),
    },
    refusals: { ...unread, 401: 'A wrong name, password or code.', 403: 'Nobody can register.', ...tooMany },
  },
  getUser: {
    id: 'getUser',
    summary: 'Whether there is such an account',
    scope: 'any',
    success: { description: 'There is.', schema: object({ _id: text, name: text, email: text }) },
    refusals: { ...unsigned, 404: 'There is none.' },
  },
  logOut: {
    id: 'logOut',
    summary: 'End a token',
    scope: 'any',
    success: { description: 'It is good no more.', schema: ref('NpmDone') },
    refusals: unsigned,
  },
  startLogIn: {
    id: 'startLogIn',
    summary: 'Start a login that ends in a browser',
    body: { contentType: 'application/json', schema: object({ create: flag }, ['create']) },
    success: {
      description: 'Where a person goes, and where the command line asks meanwhile.',
      schema: object({
        loginUrl: { type: 'string', format: 'uri' },
        doneUrl: { type: 'string', format: 'uri' },
      }),
    },
    refusals: unread,
  },
  showLogIn: {
    id: 'showLogIn',
    summary: 'The page of a login',
    success: { description: 'A form.', contentType: 'text/html', schema: text },
    refusals: over,
  },
  finishLogIn: {
    id: 'finishLogIn',
    summary: 'The form of that page',
    body: { contentType: 'application/x-www-form-urlencoded', schema: { type: 'string' } },
    success: { description: 'Logged in.', contentType: 'text/html', schema: text },
    others: {
      403: {
        description: 'What was typed is wrong; the page says what.',
        contentType: 'text/html',
        schema: text,
      },
      429: { description: 'Too many wrong tries; the page says so.', contentType: 'text/html', schema: text },
    },
    refusals: { ...over, 415: 'Not the form.' },
  },
  pollLogIn: {
    id: 'pollLogIn',
    summary: 'Whether a login has ended',
    query: { authId: { description: 'From `doneUrl`.', schema: text } },
    success: { description: 'A token, shown only now.', schema: object({ token: text }) },
    others: {
      202: {
        description: 'Nobody has logged in yet; `Retry-After` says when to ask again.',
        schema: object({}),
      },
    },
    refusals: over,
  },
  whoAmI: {
    id: 'whoAmI',
    summary: 'Whose token this is',
    scope: 'any',
    success: { description: 'The account.', schema: object({ username: text }) },
    refusals: unsigned,
  },
  listTokens: {
    id: 'listTokens',
    summary: "One's own tokens",
    scope: 'any',
    success: {
      description: 'Those that are good, newest first.',
      schema: object({ objects: list(ref('NpmToken')), total: count, urls: { type: 'object' } }),
    },
    refusals: unsigned,
  },
  createToken: {
    id: 'createToken',
    summary: 'Make a token',
    scope: 'any',
    body: { contentType: 'application/json', schema: object({ password: text }) },
    success: { status: 201, description: 'The token, shown only now.', schema: ref('NpmToken') },
    refusals: { ...unread, 401: 'No token, or a wrong password or code.', ...tooMany },
  },
  revokeToken: {
    id: 'revokeToken',
    summary: 'End a token by its key',
    scope: 'tokens',
    success: { status: 204, description: 'It is good no more.' },
    refusals: { ...unsigned, 403: 'The token lacks the scope.', 404: 'No such token of this account.' },
  },
  showProfile: {
    id: 'showProfile',
    summary: "One's own account",
    scope: 'any',
    success: { description: 'The account.', schema: ref('NpmProfile') },
    refusals: unsigned,
  },
  changeProfile: {
    id: 'changeProfile',
    summary: 'Change name, address, password or second factor',
    scope: 'tokens',
    body: { contentType: 'application/json', schema: { type: 'object' } },
    success: {
      description: 'The account; for a second factor what the next step needs.',
      schema: { type: 'object', properties: { tfa: {} }, required: ['tfa'] },
    },
    refusals: {
      ...unread,
      401: 'No token, or a wrong password or code.',
      403: 'The token lacks the scope.',
      404: 'No such account, or no second factor was started.',
      ...tooMany,
    },
  },
  advisories: {
    id: 'advisories',
    summary: 'All advisories of a package',
    description: 'In the order in which they were filed; those that were withdrawn stay, and say so.',
    success: {
      description: 'The advisories.',
      schema: object({ name: text, advisories: list(ref('NpmFiledAdvisory')) }),
    },
    refusals: { 404: 'There is no such package, or nothing was ever filed against it.' },
  },
  search: {
    id: 'search',
    summary: 'Search public packages',
    description:
      'Every word has to be in the name, a keyword or the description. Qualifiers: `author:a`, `maintainer:a`, `scope:s`, `keywords:a,b` (one of them), `keywords:a+b` (both), `keywords:-a`, `is:` and `not:` with `deprecated`, `unstable` or `insecure`.',
    query: {
      text: { description: 'Words and qualifiers; all packages without it.', schema: {} },
      size: { description: 'How many at most: 20 unless told, 250 at most.', schema: count },
      from: { description: 'How many to leave out first.', schema: count },
      quality: weight,
      popularity: weight,
      maintenance: weight,
    },
    success: {
      description: 'The best first.',
      schema: object({
        objects: list(
          object({
            package: ref('NpmFound'),
            score: object({
              final: { type: 'number' },
              detail: object({
                quality: { type: 'number' },
                popularity: { type: 'number' },
                maintenance: { type: 'number' },
              }),
            }),
            searchScore: { type: 'number' },
          }),
        ),
        total: count,
        time: text,
      }),
    },
    refusals: { 400: 'A number is none, or the text is too long.' },
  },
  starredByUser: {
    id: 'starredByUser',
    summary: 'Packages that an account has starred',
    query: { key: { description: 'The account as a JSON text, with its quotes.', schema: {} } },
    success: { description: 'Names.', schema: object({ rows: list(object({ value: text })) }) },
    refusals: { 400: 'The key is no JSON text.' },
  },
  packagesOfUser: {
    id: 'packagesOfUser',
    summary: 'Public packages that an account owns',
    success: { description: 'Permission by package.', schema: permissions },
    refusals: { 404: 'There are none.' },
  },
  packagesOfScope: {
    id: 'packagesOfScope',
    summary: 'Public packages of a scope',
    success: { description: 'Permission of its owners, by package.', schema: permissions },
    refusals: { 404: 'There are none.' },
  },
  auditBulk: {
    id: 'auditBulk',
    summary: 'What is known against these versions',
    description: 'Private packages are answered for whoever may read them.',
    body: { contentType: 'application/json', schema: mapOf(list(text)) },
    success: {
      description: 'Advisories by package; packages without any are left out.',
      schema: mapOf(list(ref('NpmAdvisory'))),
    },
    refusals: audited,
  },
  auditTree: {
    id: 'auditTree',
    summary: 'What is known against what is installed, for older clients',
    body: documentBody,
    success: { description: 'Advisories, and where in the tree they apply.', schema: ref('NpmAudit') },
    refusals: audited,
  },
  auditQuick: {
    id: 'auditQuick',
    summary: 'The same, as other older clients ask it',
    body: documentBody,
    success: { description: 'Advisories, and where in the tree they apply.', schema: ref('NpmAudit') },
    refusals: audited,
  },
} satisfies Record<string, RouteDoc>;
