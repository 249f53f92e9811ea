/** What the API's document says of each route of the surface. A scoped name is one segment: `@scope%2fname`. */
import type { JsonSchema, RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const time = { type: 'string', format: 'date-time' } as const;

/** Every field that may come; `optional` ones may be missing. Others may be added later. */
function object(properties: Record<string, JsonSchema>, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((field) => !optional.includes(field));
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) };
}
function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}
function mapOf(items: JsonSchema): JsonSchema {
  return { type: 'object', additionalProperties: items };
}
function ref(schema: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${schema}` };
}

const person = object({ name: text, email: text });

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
} satisfies Record<string, JsonSchema>;

export const doc: SurfaceDoc = {
  title: 'npm packages: for npm, pnpm, Yarn and Bun',
  schemas,
  refusals: { 'application/json': ref('NpmError') },
};

const missing = { 404: 'There is no such package, or not for you.' };
const unsigned = { 401: 'No token, or not a good one.' };
const forbidden = { 403: 'The token lacks the scope, or its account is no owner.' };
const unread = { 400: 'The body cannot be read, or does not say what it has to.' };
const stale = { 409: 'The document has changed since it was read.' };
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
  },
  packument: {
    id: 'packument',
    summary: 'A package and all its versions',
    success: { description: 'The full document, whichever form is asked for.', schema: ref('NpmPackument') },
    refusals: { 400: 'The path is not valid percent-encoding.', ...missing },
  },
  version: {
    id: 'version',
    summary: 'One version, by its number or by a tag',
    success: { description: 'The version.', schema: ref('NpmVersion') },
    refusals: { 404: 'There is no such version.' },
  },
  tarball: {
    id: 'tarball',
    summary: 'The tarball of a version',
    success: { description: 'Its bytes.' },
    refusals: missing,
  },
  distTags: {
    id: 'distTags',
    summary: 'Tags of a package',
    success: { description: 'Version by tag.', schema: mapOf(text) },
    refusals: missing,
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
      413: 'The tarball is over 256 MiB, or the rest of the document over 64 MiB.',
      415: 'The body is packed in another way than gzip.',
      422: 'The tarball or its package.json is not right, or the document says otherwise.',
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
} satisfies Record<string, RouteDoc>;
