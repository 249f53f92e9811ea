/** What the API's document says of each route of the surface. A scoped name is one segment: `@scope%2fname`. */
import type { JsonSchema, RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../../ecosystems/ecosystem.ts';
import { atStore, count, flag, list, object, text, time } from '../../ecosystems/schema-words.ts';
import type { ReportName, ReportSpan } from './analytics.ts';

const url = { type: 'string', format: 'uri' } as const;
const sha = { type: 'string', pattern: '^[0-9a-f]{7,40}$' } as const;
const mapOf = (items: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties: items });

const schemas = {
  PantryPackage: object(
    {
      name: text,
      version: text,
      description: text,
      repository: text,
      homepage: text,
      license: text,
      author: text,
      keywords: list(text),
      dependencies: { type: 'object' },
      devDependencies: { type: 'object' },
      peerDependencies: { type: 'object' },
      tarballUrl: url,
      checksum: { type: 'string', pattern: '^(sha256:[0-9a-f]{64}|sha1:[0-9a-f]{40})$' },
      integrity: text,
      publishedAt: time,
      deprecated: text,
    },
    [
      'description',
      'repository',
      'homepage',
      'license',
      'author',
      'keywords',
      'dependencies',
      'devDependencies',
      'peerDependencies',
      'checksum',
      'integrity',
      'deprecated',
    ],
  ),
  PantryCommitPackage: object(
    {
      name: text,
      sha,
      tarballUrl: url,
      checksum: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
      publishedAt: time,
      repository: text,
      packageDir: text,
      version: text,
      size: count,
      publishedBy: text,
    },
    ['repository', 'packageDir', 'version'],
  ),
  PantryReport: object({
    category: { enum: ['install', 'install_on_request', 'build_error'] },
    total_items: count,
    start_date: { type: 'string', format: 'date' },
    end_date: { type: 'string', format: 'date' },
    total_count: count,
    items: list(
      object({ number: { type: 'integer', minimum: 1 }, formula: text, count: text, percent: text }),
    ),
  }),
} as const;

function ref(schema: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${schema}` };
}

export const doc: SurfaceDoc = {
  title: 'Pantry: its API over npm packages, commit packages, counts',
  schemas,
  refusals: { 'application/json': object({ error: { type: 'string', minLength: 1 } }) },
};

const oddName = 'The name holds what no path may.';
const unauthorized =
  'No token, a bad one, one without the scope, or one of an account that does not own the package.';
const elsewhere = { 502: 'The upstream registry failed.', 504: 'The upstream registry is too slow.' };
const limitOf = (most: number, standard: number): NonNullable<RouteDoc['query']> => ({
  limit: {
    description: `How many, and ${most} at the most.`,
    schema: { type: 'integer', minimum: 0, default: standard },
  },
});
const top = {
  summary: 'The most downloaded packages',
  query: limitOf(100, 10),
  success: {
    description: 'By downloads of all time.',
    schema: object({ packages: list(object({ name: text, downloads: count })) }),
  },
  refusals: { 400: 'The limit is no number.' },
} as const;
const resolvedSchema = object({
  resolved: mapOf(
    object({ version: text, tarball: text, integrity: text, dependencies: { type: 'object' } }, [
      'integrity',
    ]),
  ),
});
const bulkBody = {
  contentType: 'application/json',
  schema: object({
    packages: list(object({ name: text, version: text, tarball: text, integrity: text }, ['integrity'])),
  }),
} as const;
const bulk = {
  summary: 'Many tarballs at once, as an uncompressed tar',
  description: 'Its last member, manifest.json, says which are in it. Addresses elsewhere are passed over.',
  body: bulkBody,
  success: { description: 'The archive.', contentType: 'application/x-tar' },
  refusals: {
    400: 'None of the addresses is of this registry, or of the one it falls back to.',
    413: 'Over 2000.',
  },
} as const;
const commitFile = { description: 'An npm tarball.' } as const;
const badUpload = {
  400: 'Something is wrong with the metadata, the name, the version or the tarball.',
  401: unauthorized,
  413: 'A tarball is over 50 MiB.',
  415: 'Neither a form nor JSON.',
} as const;
const sentSha = { type: 'string', pattern: '^[0-9a-fA-F]{7,40}$' } as const;
const fileField = { type: 'string', contentMediaType: 'application/octet-stream' } as const;
const tarballField = { type: 'string', contentEncoding: 'base64' } as const;

export const docs = {
  package: {
    id: 'package',
    summary: 'The highest version of a package',
    success: { description: 'Its metadata.', schema: ref('PantryPackage') },
    refusals: { 400: oddName, 404: 'There is no such package.', ...elsewhere },
  },
  versions: {
    id: 'versions',
    summary: 'Versions, the highest first',
    success: {
      description: 'The list; empty for a package that is not there.',
      schema: object({ versions: list(text) }),
    },
    refusals: { 400: oddName, ...elsewhere },
  },
  version: {
    id: 'version',
    summary: 'One version',
    success: { description: 'Its metadata.', schema: ref('PantryPackage') },
    refusals: { 400: 'Not a name, or not a version.', 404: 'There is no such version.', ...elsewhere },
  },
  tarball: {
    id: 'tarball',
    summary: 'The tarball of a version',
    success: { description: 'An npm tarball.' },
    redirects: { 302: 'Of a package of another registry: where it is.', 307: atStore },
    refusals: { 400: 'Not a name, or not a version.', 404: 'There is no such version.', ...elsewhere },
  },
  commit: {
    id: 'commit',
    summary: 'All packages of a commit',
    success: {
      description: 'The packages, by name.',
      schema: object(
        { sha, repository: text, publishedAt: time, packages: list(ref('PantryCommitPackage')) },
        ['repository'],
      ),
    },
    refusals: { 404: 'Nothing was published for it, or it has expired.' },
  },
  commitPackage: {
    id: 'commitPackage',
    summary: 'One package of a commit, which may be said by the beginning of its hash',
    success: { description: 'The package.', schema: ref('PantryCommitPackage') },
    refusals: { 400: oddName, 404: 'There is none, or it has expired.' },
  },
  commitTarball: {
    id: 'commitTarball',
    summary: 'Its tarball, for npm install',
    success: commitFile,
    redirects: { 307: atStore },
    refusals: { 400: oddName, 404: 'There is none, or it has expired.' },
  },
  short: {
    id: 'short',
    summary: 'The same by a short address: name@sha',
    success: commitFile,
    redirects: { 307: atStore },
    refusals: { 400: oddName, 404: 'There is none, or it has expired.' },
  },
  publish: {
    id: 'publish',
    summary: 'Publish a version',
    description: 'As a form with the fields metadata and tarball, or as JSON with the tarball in base64.',
    scope: 'publish',
    body: [
      {
        contentType: 'application/json',
        schema: object({ metadata: object({ name: text, version: text }), tarball: tarballField }),
      },
      {
        contentType: 'multipart/form-data',
        schema: object({ metadata: { ...text, contentMediaType: 'application/json' }, tarball: fileField }),
      },
    ],
    success: {
      status: 201,
      description: 'Published.',
      schema: object({ success: { const: true }, message: text }),
    },
    refusals: { ...badUpload, 409: 'The version exists.' },
  },
  publishCommit: {
    id: 'publishCommit',
    summary: 'Publish packages of a commit, for 90 days; what was there before is replaced',
    description:
      'As a form with metadata and a file package:NAME for each package, or with the fields sha and repository in place of metadata; or as JSON.',
    scope: 'publish',
    body: [
      {
        contentType: 'application/json',
        schema: object(
          {
            sha: sentSha,
            repository: text,
            packages: list(
              object({ name: text, tarball: tarballField, version: text, packageDir: text }, [
                'version',
                'packageDir',
              ]),
            ),
            name: text,
            tarball: tarballField,
          },
          ['repository', 'packages', 'name', 'tarball'],
        ),
      },
      {
        contentType: 'multipart/form-data',
        schema: {
          type: 'object',
          properties: {
            metadata: { ...text, contentMediaType: 'application/json' },
            sha: sentSha,
            repository: text,
          },
          patternProperties: { '^package:': fileField },
        },
      },
    ],
    success: {
      status: 201,
      description: 'Published.',
      schema: object({
        success: { const: true },
        sha,
        packages: list(object({ name: text, url, sha })),
        message: text,
      }),
    },
    refusals: { ...badUpload, 409: 'The name is too close to another.' },
  },
  search: {
    id: 'search',
    summary: 'Packages whose name, description or keywords have a text in them, the most downloaded first',
    query: {
      q: { description: 'The text; what is over 256 characters is cut off.', schema: text },
      ...limitOf(50, 20),
    },
    success: {
      description: 'Hits; those of another registry last.',
      schema: object({
        results: list(
          object(
            {
              name: text,
              version: text,
              description: text,
              keywords: list(text),
              author: text,
              downloads: count,
            },
            ['description', 'keywords', 'author'],
          ),
        ),
      }),
    },
    refusals: { 400: 'The limit is no number.' },
  },
  analytics: { id: 'analytics', ...top },
  top: { id: 'top', ...top },
  stats: {
    id: 'stats',
    summary: 'Downloads of a package',
    success: {
      description: 'Its counts.',
      schema: object({
        packageName: text,
        totalDownloads: count,
        weeklyDownloads: count,
        monthlyDownloads: count,
        versionDownloads: mapOf(count),
        lastDownload: time,
      }),
    },
    refusals: { 404: 'Nothing was counted.' },
  },
  timeline: {
    id: 'timeline',
    summary: 'Downloads of a package by day, UTC',
    query: {
      days: {
        description: 'How many, today included: from 1 to 365.',
        schema: { type: 'integer', minimum: 0, default: 30 },
      },
    },
    success: {
      description: 'The oldest day first.',
      schema: object({
        packageName: text,
        timeline: list(object({ date: { type: 'string', format: 'date' }, count })),
      }),
    },
    refusals: { 400: 'The number of days is none.' },
  },
  requestedVersions: {
    id: 'requestedVersions',
    summary: 'Versions that were asked for and were not there',
    query: limitOf(100, 20),
    success: {
      description: 'The most wanted first.',
      schema: object({
        packageName: text,
        requests: list(
          object({
            packageName: text,
            version: text,
            requestCount: count,
            lastRequestedAt: time,
            isKnownVersion: flag,
          }),
        ),
      }),
    },
    refusals: { 400: 'The limit is no number.' },
  },
  report: (category: ReportName, span: ReportSpan, form = ''): RouteDoc => ({
    id: `report-${category}-${span}${form}`,
    summary: `What was counted as ${category} in the last ${span.slice(0, -1)} days`,
    success: { description: 'By count.', schema: ref('PantryReport') },
  }),
  takeEvents: {
    id: 'takeEvents',
    summary: 'Count installs, downloads and failed builds',
    description: 'One event, or a list of at most 500.',
    body: {
      contentType: 'application/json',
      schema: {
        anyOf: [
          object({ packageName: text, category: text, version: text }, ['version']),
          list(object({ packageName: text, category: text, version: text }, ['version'])),
        ],
      },
    },
    success: { description: 'Counted.', schema: object({ success: { const: true } }) },
    refusals: { 400: 'Not such an event.', 413: 'Over 500 events.', 415: 'Not JSON.' },
  },
  postResolve: {
    id: 'postResolve',
    summary: 'A whole tree of npm dependencies in one answer',
    description: 'One version for each name; what cannot be found is left out.',
    body: { contentType: 'application/json', schema: object({ dependencies: mapOf(text) }) },
    success: { description: 'What was found, by name.', schema: resolvedSchema },
    refusals: {
      400: 'Without dependencies.',
      413: 'The list is too long.',
      415: 'Not JSON.',
      504: 'Too many such requests are under way.',
    },
  },
  getResolve: {
    id: 'getResolve',
    summary: 'The same for a list such as react@^18,@scope/x@^1',
    success: { description: 'What was found, by name.', schema: resolvedSchema },
    refusals: { 400: 'The list is empty.', 504: 'Too many such requests are under way.' },
  },
  bulkDownload: { id: 'bulkDownload', ...bulk },
  bulkDownloadOfNpm: { id: 'bulkDownloadOfNpm', ...bulk },
  health: {
    id: 'health',
    summary: 'Does the server answer?',
    success: { description: 'It does.', schema: object({ status: { const: 'ok' }, timestamp: time }) },
  },
} satisfies Record<string, RouteDoc | ((...of: never[]) => RouteDoc)>;
