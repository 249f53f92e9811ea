/** What the API's document says of each route of the surface. */
import type { JsonSchema, RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { count, flag, list, object, text, time } from '../schema-words.ts';

const textOrNull = { type: ['string', 'null'] } as const;
const checksum = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' } as const;
const name = { type: 'string', pattern: '^@[a-z0-9-]+/[a-z0-9-]+$', maxLength: 64 } as const;
const removal = object({ reason: textOrNull, at: time });
const transferId = { type: 'string', pattern: '^tr_[0-9a-f]{32}$' } as const;

const schemas = {
  OriProblem: object(
    {
      type: { const: 'about:blank' },
      title: text,
      status: { type: 'integer' },
      code: text,
      detail: text,
      request_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
      checksum,
      removed: removal,
    },
    ['checksum', 'removed'],
  ),
  OriVersions: object({
    name,
    versions: list(text),
    releases: list(
      object(
        {
          version: text,
          checksum,
          yanked: flag,
          deprecated: textOrNull,
          published_at: time,
          removed: removal,
        },
        ['removed'],
      ),
    ),
  }),
  OriMetadata: object({
    name,
    version: text,
    description: text,
    license: textOrNull,
    authors: list(text),
    repository: textOrNull,
    keywords: list(text),
    categories: list(text),
    funding: textOrNull,
    edition: textOrNull,
    ori: text,
    entry: object({ lib: textOrNull, main: textOrNull }),
    dependencies: list(
      object({
        name: text,
        version: textOrNull,
        features: list(text),
        default_features: flag,
        kind: { enum: ['normal', 'dev'] },
        target: textOrNull,
      }),
    ),
    features: { type: 'object', additionalProperties: list(text) },
    checksum,
    size: count,
    checksums: object({
      archive: checksum,
      dependencies: { type: 'object', additionalProperties: checksum },
    }),
    download_url: { type: 'string', format: 'uri' },
    yanked: flag,
    yanked_reason: textOrNull,
    deprecated: textOrNull,
    owners: list(text),
    published_at: time,
  }),
  OriPublished: object({ name, version: text, checksum, size: count, published_at: time, degraded: text }, [
    'degraded',
  ]),
  OriAdvisory: object(
    {
      schema_version: { const: '1.7.5' },
      id: { type: 'string', pattern: '^x_ORI-' },
      modified: time,
      published: time,
      withdrawn: time,
      aliases: list(text),
      summary: text,
      details: text,
      severity: list(object({ type: { const: 'CVSS_V3' }, score: text })),
      affected: list(
        object(
          {
            package: object({ ecosystem: { const: 'Ori' }, name }),
            ranges: list(object({ type: { const: 'SEMVER' }, events: list({ type: 'object' }) })),
            versions: list(text),
          },
          ['ranges'],
        ),
      ),
      references: list(object({ type: { const: 'ADVISORY' }, url: { type: 'string', format: 'uri' } })),
      database_specific: { type: 'object' },
    },
    ['withdrawn', 'aliases', 'details', 'severity'],
  ),
  OriAdvisories: object({ advisories: list({ $ref: '#/components/schemas/OriAdvisory' }) }),
  OriFound: object({
    name,
    version: text,
    description: text,
    keywords: list(text),
    deprecated: textOrNull,
  }),
} as const;

const ref = (schema: keyof typeof schemas): JsonSchema => ({ $ref: `#/components/schemas/${schema}` });

export const doc: SurfaceDoc = {
  title: 'Ori packages: the protocol of the plan, for which there is no client yet',
  schemas,
  refusals: { 'application/problem+json': ref('OriProblem') },
};

const badToken = { 401: 'A token was sent, and is not good.' };
const gone = {
  410: 'It was removed; its number stays taken.',
  451: 'It was removed on a legal order.',
};
const noVersion = { ...badToken, 404: 'There is no such version.', ...gone };
const needsToken = {
  401: 'No token, or no good one.',
  403: 'The token lacks the permission, or the package is not its account’s.',
};
const lifecycle = {
  400: 'The body is not of this shape.',
  ...needsToken,
  404: 'There is no such version.',
  ...gone,
  413: 'The body is over 64 KiB.',
  422: 'Not a name, or not a version.',
};
const release = { ok: { const: true }, name, version: text };
const reason = {
  isOptional: true,
  contentType: 'application/json',
  schema: object({ reason: { type: ['string', 'null'], maxLength: 1024 } }, ['reason']),
} as const;
const degraded = { degraded: text };

export const docs = {
  versions: {
    id: 'versions',
    summary: 'Versions that resolution may choose, and all releases',
    success: {
      description: 'Ascending; yanked and removed ones are in `releases` alone.',
      schema: ref('OriVersions'),
    },
    refusals: { ...badToken, 404: 'There is no such package.' },
  },
  metadata: {
    id: 'metadata',
    summary: 'What one version says of itself',
    success: { description: 'Its manifest, checksums and state.', schema: ref('OriMetadata') },
    refusals: noVersion,
  },
  download: {
    id: 'download',
    summary: 'The archive, exactly as it was uploaded',
    success: { description: 'An .oripk: a tar in gzip.' },
    refusals: noVersion,
  },
  publish: {
    id: 'publish',
    summary: 'Publish the version that the manifest in the archive names',
    description:
      'The same archive once more, by the same account, is answered with 200 and the first answer: a client whose answer was lost sends it again.',
    scope: 'publish',
    body: {
      contentType: 'multipart/form-data',
      schema: object(
        {
          archive: { type: 'string', contentMediaType: 'application/gzip' },
          package: { type: 'string', contentMediaType: 'application/gzip' },
          file: { type: 'string', contentMediaType: 'application/gzip' },
          checksum: text,
        },
        ['archive', 'package', 'file', 'checksum'],
      ),
    },
    success: { status: 201, description: 'Published.', schema: ref('OriPublished') },
    others: {
      200: { description: 'Was published before, by these very bytes.', schema: ref('OriPublished') },
    },
    refusals: {
      400: 'Not a form, or without a file.',
      ...needsToken,
      409: 'The version exists; `checksum` says with what.',
      413: 'The archive is over 10 MiB.',
      422: 'Something is wrong with the name, the archive or its manifest; `code` says what.',
    },
  },
  yank: {
    id: 'yank',
    summary: 'Hide a version from resolution; it stays downloadable',
    scope: 'publish',
    body: reason,
    success: {
      description: 'Hidden, now or before.',
      schema: object({ ...release, yanked: { const: true }, ...degraded }, ['degraded']),
    },
    refusals: lifecycle,
  },
  unyank: {
    id: 'unyank',
    summary: 'Offer a yanked version again',
    scope: 'publish',
    body: reason,
    success: {
      description: 'On offer, now or before.',
      schema: object({ ...release, yanked: { const: false }, ...degraded }, ['degraded']),
    },
    refusals: lifecycle,
  },
  deprecate: {
    id: 'deprecate',
    summary: 'Attach a warning to a version; an empty one takes it back',
    scope: 'publish',
    body: {
      contentType: 'application/json',
      schema: object({ message: { type: 'string', maxLength: 1024 } }),
    },
    success: {
      description: 'What it says now.',
      schema: object({ ...release, deprecated: textOrNull, ...degraded }, ['degraded']),
    },
    refusals: lifecycle,
  },
  transfer: {
    id: 'transfer',
    summary: 'Hand a package over: offered by its owner, accepted by the recipient, called off by either',
    description: 'An offer ends after 30 days. Until it is accepted the package stays its owner’s.',
    scope: 'admin',
    body: {
      contentType: 'application/json',
      schema: {
        oneOf: [
          object({ to: text }),
          object({ accept: { const: true }, id: transferId }),
          object({ cancel: { const: true }, id: transferId }),
        ],
      },
    },
    success: {
      description: 'Accepted, or called off.',
      schema: object({ status: { enum: ['completed', 'cancelled'] }, name, owner: text, ...degraded }, [
        'name',
        'owner',
        'degraded',
      ]),
    },
    others: {
      202: {
        description: 'On offer.',
        schema: object(
          {
            status: { const: 'pending' },
            transfer: object({
              id: transferId,
              name,
              from: text,
              to: text,
              created_at: time,
              expires_at: time,
            }),
            ...degraded,
          },
          ['degraded'],
        ),
      },
    },
    refusals: {
      400: 'The body is none of the three, or the recipient owns it already.',
      401: needsToken[401],
      403: 'The token lacks the permission, the package is another’s, or was offered to another.',
      404: 'There is no such package, account or offer.',
      409: 'It is on offer to somebody else.',
      413: 'The body is over 64 KiB.',
      422: 'Not a name.',
    },
  },
  search: {
    id: 'search',
    summary: 'Packages by name, keyword and description',
    query: {
      q: { description: 'What to look for.', schema: { type: 'string', maxLength: 256 } },
      limit: { description: 'How many, 100 at most.', schema: { type: 'integer', minimum: 0, default: 20 } },
      offset: { description: 'How many to pass over.', schema: { type: 'integer', minimum: 0, default: 0 } },
    },
    success: {
      description:
        'What fits best first: the exact name, its beginning, a part of it, a keyword, the description.',
      schema: object({
        query: text,
        total: count,
        results: list(ref('OriFound')),
      }),
    },
    refusals: { 400: 'Nothing to look for, or a number that is none.', ...badToken },
  },
  advisories: {
    id: 'advisories',
    summary: 'Advisories in the OSV format, withdrawn ones too',
    query: {
      package: { description: 'Only those about it, such as @acme/json.', schema: text },
      version: { description: 'Only those that name it, such as 1.0.0.', schema: text },
      since: { description: 'Only those that changed then or later; RFC 3339.', schema: text },
    },
    success: { description: 'The list.', schema: ref('OriAdvisories') },
    refusals: { 400: 'Not a name, a version, or a time.', ...badToken },
  },
  advisoriesOf: {
    id: 'advisoriesOf',
    summary: 'Advisories about one package',
    success: { description: 'The list.', schema: ref('OriAdvisories') },
    refusals: { ...badToken, 404: 'Nothing is known against it.' },
  },
  advisory: {
    id: 'advisory',
    summary: 'One advisory',
    success: { description: 'An OSV document.', schema: ref('OriAdvisory') },
    refusals: { ...badToken, 404: 'There is no such advisory.' },
  },
  searchIndex: {
    id: 'searchIndex',
    summary: 'What searches go through: each package that has a version on offer, a line each',
    success: { description: 'Lines of JSON, in the order of names.' },
    refusals: badToken,
  },
} satisfies Record<string, RouteDoc>;
