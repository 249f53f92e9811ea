/** What the API's document says of each route of the OCI surfaces. */
import type { RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { atStore, count, flag, list, object, text, time } from '../schema-words.ts';
import { allManifestTypes } from '../oci-media-types.ts';

const digest = { type: 'string', pattern: '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$' } as const;

const schemas = {
  OciErrors: object({
    errors: list(
      object({
        code: { type: 'string', pattern: '^[A-Z_]+$' },
        message: text,
        detail: object({ request_id: text }),
      }),
    ),
  }),
  OciManifest: object({ schemaVersion: { const: 2 } }),
  OciReferrers: object({
    schemaVersion: { const: 2 },
    mediaType: { const: 'application/vnd.oci.image.index.v1+json' },
    manifests: list(
      object({ mediaType: text, digest, size: count, artifactType: text, annotations: { type: 'object' } }, [
        'artifactType',
        'annotations',
      ]),
    ),
  }),
  OciToken: object({ token: text, access_token: text, expires_in: count, issued_at: time, scope: text }, [
    'scope',
  ]),
} as const;

const refusals = { 'application/json': { $ref: '#/components/schemas/OciErrors' } } as const;

export const doc: SurfaceDoc = {
  title: 'OCI Distribution: push and pull of images and artifacts',
  schemas,
  refusals,
};
export const docOfTokens: SurfaceDoc = { title: 'OCI: tokens', schemas: {}, refusals };
export const docOfAccounts: SurfaceDoc = {
  title: 'OCI: accounts, visibility, members',
  schemas: {},
  refusals,
};

const page = {
  n: { description: 'How many at most.', schema: { type: 'integer', minimum: 0 } },
  last: { description: 'Those after this one.', schema: text },
} as const;

const unauthorized = 'Say who you are, or ask for a token that is good for this: see WWW-Authenticate.';
const denied = 'This account may not.';
const badName = 'Not the name of a repository.';
const noUpload = 'There is no such upload in this repository.';
const ofUpload = { 400: badName, 401: unauthorized, 403: denied, 404: noUpload } as const;

export const docs = {
  ping: {
    id: 'ping',
    summary: 'Whether this is a registry, and how to say who you are',
    success: { description: 'It is, and you have.', schema: { type: 'object' } },
    refusals: { 401: unauthorized },
  },
  catalog: {
    id: 'catalog',
    summary: 'Repositories that the caller may pull',
    query: page,
    success: { description: 'In order of bytes.', schema: object({ repositories: list(text) }) },
    refusals: { 400: 'n is no number.', 401: 'A bad token, or a bad password.' },
  },
  manifest: {
    id: 'manifest',
    summary: 'A manifest by tag or digest, as it was pushed',
    success: { description: 'Its bytes.', schema: { $ref: '#/components/schemas/OciManifest' } },
    refusals: {
      400: badName,
      401: unauthorized,
      403: denied,
      404: 'There is no such repository, tag or manifest.',
    },
  },
  putManifest: {
    id: 'putManifest',
    summary: 'Push a manifest by tag or digest',
    scope: 'push',
    query: { tag: { description: 'Tags of a push by digest; may come more than once.', schema: text } },
    body: allManifestTypes.map((contentType) => ({
      contentType,
      schema: { $ref: '#/components/schemas/OciManifest' },
    })),
    success: { status: 201, description: 'It can be pulled.' },
    refusals: {
      400: 'Not a name, tag or digest, not a manifest, or one that names what is not in the repository.',
      401: unauthorized,
      403: denied,
      413: 'Over 4 MiB.',
      414: 'More than 32 tags.',
    },
  },
  deleteManifest: {
    id: 'deleteManifest',
    summary: 'Remove a tag, or a manifest with every tag that points at it',
    scope: 'delete',
    success: { status: 202, description: 'It is gone.' },
    refusals: { 400: badName, 401: unauthorized, 403: denied, 404: 'There is no such thing.' },
  },
  blob: {
    id: 'blob',
    summary: 'A blob of this repository',
    success: { description: 'Its bytes.' },
    redirects: { 307: atStore },
    refusals: {
      400: 'Not a name, or not a digest.',
      401: unauthorized,
      403: denied,
      404: 'Not in this repository.',
    },
  },
  deleteBlob: {
    id: 'deleteBlob',
    summary: 'Remove a blob that no manifest names',
    scope: 'delete',
    success: { status: 202, description: 'It is gone from this repository.' },
    refusals: {
      400: 'Not a name, or not a digest.',
      401: unauthorized,
      403: denied,
      404: 'Not in this repository.',
      405: 'A manifest names it: delete that first.',
    },
  },
  startUpload: {
    id: 'startUpload',
    summary: 'Begin to push a blob, or push it at once, or take it from another repository',
    scope: 'push',
    query: {
      digest: { description: 'Of the body, which is the whole blob.', schema: text },
      mount: { description: 'Of a blob in another repository.', schema: text },
      from: { description: 'That repository.', schema: text },
    },
    success: { status: 202, description: 'Go on at Location.' },
    others: { 201: { description: 'It can be pulled.' } },
    refusals: { 400: 'Not a name, or not the digest of the body.', 401: unauthorized, 403: denied },
  },
  appendUpload: {
    id: 'appendUpload',
    summary: 'Send more of a blob, or all of it',
    scope: 'push',
    body: { contentType: 'application/octet-stream', schema: { type: 'string' } },
    success: { status: 202, description: 'Range says how much there is.' },
    refusals: { ...ofUpload, 416: 'Not where the blob ends so far: see Range.' },
  },
  finishUpload: {
    id: 'finishUpload',
    summary: 'End a push, with the last of the blob or without',
    scope: 'push',
    query: { digest: { description: 'Of all of it.', schema: text } },
    success: { status: 201, description: 'It can be pulled.' },
    refusals: { ...ofUpload, 416: 'Not where the blob ends so far: see Range.' },
  },
  showUpload: {
    id: 'showUpload',
    summary: 'How much of a blob has arrived',
    scope: 'push',
    success: { status: 204, description: 'See Range.' },
    refusals: ofUpload,
  },
  cancelUpload: {
    id: 'cancelUpload',
    summary: 'Give up a push',
    scope: 'push',
    success: { status: 204, description: 'Nothing of it is left.' },
    refusals: ofUpload,
  },
  tags: {
    id: 'tags',
    summary: 'Tags of a repository',
    query: page,
    success: { description: 'In order of bytes.', schema: object({ name: text, tags: list(text) }) },
    refusals: {
      400: 'Not a name, or n is no number.',
      401: unauthorized,
      403: denied,
      404: 'There is no such repository.',
    },
  },
  referrers: {
    id: 'referrers',
    summary: 'What refers to a manifest, which need not be here',
    query: {
      artifactType: { description: 'Only those of this type.', schema: text },
      ...page,
    },
    success: {
      description: 'An index, in the order in which they came.',
      schema: { $ref: '#/components/schemas/OciReferrers' },
    },
    refusals: { 400: 'Not a name, or not a digest.', 401: unauthorized, 403: denied },
  },
} satisfies Record<string, RouteDoc>;

const aToken = { $ref: '#/components/schemas/OciToken' } as const;

export const docsOfTokens = {
  getToken: {
    id: 'getToken',
    summary: 'A token, with Basic credentials or as nobody',
    description:
      'Good for what was asked for and is allowed, which may be less or nothing. Without a scope it is good for managing accounts, visibility and members.',
    query: {
      service: { description: 'As the challenge says it.', schema: text },
      scope: { description: 'Such as repository:acme/app:pull,push; may come more than once.', schema: text },
      account: { description: 'Means nothing.', schema: text },
      client_id: { description: 'Means nothing.', schema: text },
      offline_token: { description: 'Means nothing: no token lasts longer.', schema: flag },
    },
    success: { description: 'The token.', schema: aToken },
    refusals: { 400: 'Too many scopes.', 401: 'A wrong password or token.' },
  },
  postToken: {
    id: 'postToken',
    summary: 'A token, in the form of OAuth 2',
    body: {
      contentType: 'application/x-www-form-urlencoded',
      schema: object(
        {
          grant_type: text,
          username: text,
          password: text,
          service: text,
          scope: text,
          client_id: text,
          access_type: text,
        },
        ['username', 'password', 'service', 'scope', 'client_id', 'access_type'],
      ),
    },
    success: { description: 'The token.', schema: aToken },
    refusals: {
      400: 'Not a form, another grant than password, or too many scopes.',
      401: 'A wrong password or token.',
      413: 'Over 64 KiB.',
    },
  },
  keys: {
    id: 'keys',
    summary: 'Public keys of the tokens (RFC 7517)',
    success: { description: 'A key set.', schema: object({ keys: list({ type: 'object' }) }) },
  },
} satisfies Record<string, RouteDoc>;

const tooLong = 'Over 16 KiB.';

const putVisibility = {
  id: 'putVisibility',
  summary: 'Make a repository public or private',
  scope: 'owner',
  body: {
    contentType: 'application/json',
    schema: object({ visibility: { enum: ['public', 'private'] } }),
  },
  success: { description: 'It is: nothing private is on the public site any more.' },
  refusals: {
    400: 'Not a name, or not a visibility.',
    401: unauthorized,
    403: 'Not an owner.',
    404: 'There is no such repository, as far as the caller may know.',
    413: tooLong,
  },
} satisfies RouteDoc;

export const docsOfAccounts = {
  createUser: {
    id: 'createUser',
    summary: 'Make an account, where that is possible',
    body: {
      contentType: 'application/json',
      schema: object({ username: text, password: text, invitation: text }, ['invitation']),
    },
    success: { status: 201, description: 'It can log in.' },
    refusals: {
      400: 'Not a name, or not a password.',
      403: 'Nobody can register here, or not with this invitation.',
      409: 'The name is taken.',
      413: tooLong,
    },
  },
  listRepo: {
    id: 'listRepo',
    summary: 'Repositories that the caller may pull',
    scope: 'read',
    success: {
      description: 'In order of their names.',
      schema: object({
        data: list(
          object(
            {
              namespace: text,
              name: text,
              is_public: { type: 'boolean' },
              tags: list(text),
              size_tag: text,
              size_bytes: count,
              last_pushed_at: time,
            },
            ['size_tag', 'size_bytes'],
          ),
        ),
      }),
    },
    refusals: { 401: unauthorized, 403: 'A token that does not read.' },
  },
  putVisibility,
  putShortVisibility: {
    ...putVisibility,
    id: 'putShortVisibility',
    summary: 'The same of a repository whose name has one part',
  },
  listMembers: {
    id: 'listMembers',
    summary: 'Who owns a namespace, and who may read or write there',
    scope: 'owner',
    success: {
      description: 'Owners, and members with what they may.',
      schema: object({
        owners: list(text),
        members: list(object({ username: text, access: { enum: ['read', 'write'] } })),
      }),
    },
    refusals: { 401: unauthorized, 403: 'Not an owner.', 404: 'Nothing has been pushed there yet.' },
  },
  putMember: {
    id: 'putMember',
    summary: 'Let an account read, or write, below a namespace',
    scope: 'owner',
    body: { contentType: 'application/json', schema: object({ access: { enum: ['read', 'write'] } }) },
    success: { description: 'It may.' },
    refusals: {
      400: 'Not read or write.',
      401: unauthorized,
      403: 'Not an owner.',
      404: 'There is no such account, or nothing has been pushed there yet.',
      413: tooLong,
    },
  },
  deleteMember: {
    id: 'deleteMember',
    summary: 'Take that back',
    scope: 'owner',
    success: { description: 'It may not any more.' },
    refusals: { 401: unauthorized, 403: 'Not an owner.', 404: 'It is no member.' },
  },
} satisfies Record<string, RouteDoc>;
