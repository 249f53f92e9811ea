/** What the API's document says of each route of the surface. */
import type { RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { count, list, object, text, time } from '../schema-words.ts';

const url = { type: 'string', format: 'uri' } as const;
const legacyHash = { type: 'string', pattern: '^1220[0-9a-f]{64}$' } as const;

const schemas = {
  PantryError: object({ error: { type: 'string', minLength: 1 } }),
  ZigPackage: object(
    {
      name: text,
      version: text,
      description: text,
      tarballUrl: url,
      hash: text,
      legacyHash,
      publishedAt: time,
      fetchCommand: text,
      dependency: text,
      unpackedSize: count,
      fileCount: count,
      fingerprint: { type: 'string', pattern: '^0x[0-9a-f]{1,16}$' },
      minimum_zig_version: text,
      dependencies: { type: 'object' },
      paths: list(text),
      license: text,
      author: text,
      homepage: text,
      repository: text,
      deprecated: text,
    },
    [
      'description',
      'fingerprint',
      'minimum_zig_version',
      'dependencies',
      'paths',
      'license',
      'author',
      'homepage',
      'repository',
      'deprecated',
    ],
  ),
} as const;
const aPackage = { $ref: '#/components/schemas/ZigPackage' } as const;

export const doc: SurfaceDoc = {
  title: 'Zig packages: zig fetch, and the Zig half of Pantry',
  schemas,
  refusals: { 'application/json': { $ref: '#/components/schemas/PantryError' } },
};

const unauthorized =
  'No token, a bad one, one without the scope, or one of an account that does not own the package.';

export const docs = {
  package: {
    id: 'package',
    summary: 'A package, as it was published last',
    success: { description: 'Its metadata.', schema: aPackage },
    refusals: { 404: 'There is no such package.' },
  },
  versions: {
    id: 'versions',
    summary: 'Its versions, the last published first',
    success: {
      description: 'The list; empty for a package that is not there.',
      schema: object({ name: text, versions: list(text) }),
    },
  },
  version: {
    id: 'version',
    summary: 'One version',
    success: { description: 'Its metadata.', schema: aPackage },
    refusals: { 404: 'There is no such version.' },
  },
  tarball: {
    id: 'tarball',
    summary: 'Its archive, as zig fetch takes it',
    success: { description: 'A tar in gzip.' },
    refusals: { 404: 'There is no such version.' },
  },
  hash: {
    id: 'hash',
    summary: 'What has this hash of contents',
    description: 'The hash as zig fetch prints it (0.14 and later), or the older one that begins with 1220.',
    success: {
      description: 'The package.',
      schema: object({ name: text, version: text, tarballUrl: url, hash: text, dependency: text }),
    },
    refusals: { 404: 'Nothing has it.' },
  },
  byHash: {
    id: 'byHash',
    summary: 'An archive by its hash of contents, which ends in .tar.gz here',
    success: { description: 'A tar in gzip.' },
    refusals: { 404: 'Nothing has it.' },
  },
  search: {
    id: 'search',
    summary: 'Packages whose name, description or keywords have a text in them',
    query: {
      q: { description: 'The text.', schema: { type: 'string', maxLength: 256 } },
      limit: { description: 'How many, 100 at most.', schema: { type: 'integer', minimum: 0, default: 20 } },
    },
    success: {
      description: 'In the order of their names.',
      schema: object({
        results: list(
          object({ name: text, version: text, description: text, keywords: list(text), author: text }, [
            'description',
            'author',
          ]),
        ),
      }),
    },
    refusals: { 400: 'The text is too long, or the limit is no number.' },
  },
  publish: {
    id: 'publish',
    summary: 'Publish a version',
    description:
      'Name and version are those of the build.zig.zon in the archive; where there is none, of the manifest sent beside it, or of the file name. ' +
      'The archive may be tar, tar.gz, tar.xz, tar.zst or zip; it is served as tar.gz.',
    scope: 'publish',
    body: {
      contentType: 'multipart/form-data',
      schema: object(
        {
          tarball: { type: 'string', contentMediaType: 'application/octet-stream' },
          manifest: text,
          description: text,
        },
        ['manifest', 'description'],
      ),
    },
    success: {
      status: 201,
      description: 'Published.',
      schema: object(
        {
          success: { const: true },
          message: text,
          hash: text,
          legacyHash,
          tarballUrl: url,
          fetchCommand: text,
          dependency: text,
          warnings: list(text),
        },
        ['warnings'],
      ),
    },
    refusals: {
      400: 'Something is wrong with the archive, its manifest, the name or the version.',
      401: unauthorized,
      409: 'The version exists.',
      413: 'The archive is over 50 MiB.',
      415: 'Not a form.',
    },
  },
  remove: {
    id: 'remove',
    summary: 'Take out every version; their numbers stay burnt',
    scope: 'yank',
    success: {
      description: 'Gone, or was not there.',
      schema: object({ success: { const: true }, message: text }),
    },
    refusals: { 401: unauthorized },
  },
} satisfies Record<string, RouteDoc>;
