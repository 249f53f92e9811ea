/** What the API's document says of each route of Run's surfaces. */
import type { RouteDoc } from '../../core/route-doc.ts';
import type { SurfaceDoc } from '../ecosystem.ts';
import { INDEX_TYPE } from '../oci-media-types.ts';
import { count, flag, list, object, text } from '../schema-words.ts';

const maybe = { type: ['string', 'null'] } as const;
const schemas = {
  RunMetadata: object(
    {
      name: text,
      version: text,
      description: text,
      license: maybe,
      size: count,
      sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
      download_url: { type: 'string', format: 'uri' },
      wit_url: maybe,
      dependencies: list(object({ name: text, version: text, optional: flag })),
      targets: list(text),
      repository: maybe,
      published_at: count,
      yanked: flag,
      deprecated: text,
      digest: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
    },
    ['deprecated'],
  ),
} as const;
const metadata = { $ref: '#/components/schemas/RunMetadata' } as const;

export const doc: SurfaceDoc = {
  title: 'Run: WebAssembly components',
  schemas,
  refusals: { 'text/plain': text, 'text/html': text },
};

const ociErrors = object({
  errors: list(object({ code: { type: 'string', pattern: '^[A-Z_]+$' }, message: text })),
});
export const docOfOci: SurfaceDoc = {
  title: 'Run: the same components as OCI artifacts',
  schemas: { RunOciErrors: ociErrors },
  refusals: { 'application/json': { $ref: '#/components/schemas/RunOciErrors' } },
};
export const docOfDiscovery: SurfaceDoc = {
  title: 'Run: where wkg looks first',
  schemas: {},
  refusals: docOfOci.refusals,
};

const html = { type: 'string' } as const;
const noName = 'There is no component of that name on offer; the body is empty.';
const noVersion = 'There is no such version; the body is empty.';

export const docs = {
  home: {
    id: 'home',
    summary: 'What this is, for people',
    success: { description: 'A page.', schema: html },
  },
  browse: {
    id: 'browse',
    summary: 'Every component, for people',
    success: { description: 'A page.', schema: html },
  },
  packagePage: {
    id: 'packagePage',
    summary: 'One component, for people',
    success: { description: 'A page.', schema: html },
    refusals: { 404: 'There is no such component; a page says so.' },
  },
  packages: {
    id: 'packages',
    summary: 'The names of all components',
    success: { description: 'In order of bytes.', schema: object({ packages: list(text) }) },
  },
  versions: {
    id: 'versions',
    summary: 'Versions of a component, the lowest first; without those that were yanked',
    success: { description: 'The list.', schema: object({ name: text, versions: list(text) }) },
    refusals: { 400: 'The path is not percent-encoding.', 404: noName },
  },
  metadata: {
    id: 'metadata',
    summary: 'One version',
    success: { description: 'Its metadata; of a yanked one as well.', schema: metadata },
    refusals: { 404: noVersion },
  },
  artifact: {
    id: 'artifact',
    summary: 'The component itself',
    success: { description: 'Its bytes.' },
    refusals: { 404: noVersion },
  },
  search: {
    id: 'search',
    summary: 'Components whose name or description has a text in it',
    query: {
      q: { description: 'The text; each character stands for itself, in either case.', schema: text },
      limit: { description: 'How many, 100 at most.', schema: { type: 'integer', minimum: 0, default: 20 } },
      offset: { description: 'How many to leave out.', schema: { type: 'integer', minimum: 0, default: 0 } },
    },
    success: {
      description: 'The name itself, names that begin so, all others; each by name, in its highest version.',
      schema: object({ packages: list(metadata), total: count }),
    },
    refusals: { 400: 'There is no q, or a number is none.' },
  },
  stats: {
    id: 'stats',
    summary: 'How many components, versions and downloads there are',
    description: 'Downloads are those that this server has seen: a cache before it hides others.',
    success: {
      description: 'The numbers.',
      schema: object({
        package_count: count,
        version_count: count,
        download_count: count,
        uptime_percent: { type: 'number' },
      }),
    },
  },
  health: {
    id: 'health',
    summary: 'Whether somebody answers',
    success: { description: 'ok', schema: text },
  },
  publish: {
    id: 'publish',
    summary: 'Publish a version of a component',
    description:
      'The first publish in a namespace that nobody has takes it. A refusal is one line of text, which the client shows as it stands.',
    scope: 'publish',
    body: {
      contentType: 'multipart/form-data',
      schema: object(
        {
          name: text,
          version: text,
          component: { type: 'string', contentMediaType: 'application/wasm' },
          sha256: text,
          description: text,
          license: text,
          repository: text,
          wit_url: text,
          dependencies: text,
          targets: text,
        },
        ['component', 'sha256', 'description', 'license', 'repository', 'wit_url', 'dependencies', 'targets'],
      ),
    },
    success: { status: 201, description: 'Published; the body is empty.' },
    refusals: {
      400: 'Something is wrong with the form, the name, the version, the hash or the file.',
      401: 'No token, or not a good one.',
      403: 'The token is for something else, or others own the namespace.',
      409: 'The version exists, or existed.',
      413: 'The upload is too large.',
    },
  },
} satisfies Record<string, RouteDoc>;

const digest = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' } as const;

export const docsOfOci = {
  ping: {
    id: 'ping',
    summary: 'Whether this is a registry',
    success: { description: 'It is.', schema: object({}) },
  },
  manifest: {
    id: 'manifest',
    summary: 'The manifest of a component by version or digest',
    success: {
      description: 'Its bytes, which never change.',
      schema: object({
        schemaVersion: { const: 2 },
        config: object({ digest }),
        layers: list(object({ digest })),
      }),
    },
    refusals: { 404: 'There is no such manifest.' },
  },
  blob: {
    id: 'blob',
    summary: 'The component itself, or its config',
    success: { description: 'Its bytes.' },
    refusals: { 404: 'There is no such blob.' },
  },
  tags: {
    id: 'tags',
    summary: 'Versions on offer, as tags: all of them, the lowest first',
    success: { description: 'The list.', schema: object({ name: text, tags: list(text) }) },
    refusals: { 404: 'There is no such component.' },
  },
  referrers: {
    id: 'referrers',
    summary: 'What refers to a manifest: nothing, since nothing can be pushed here',
    success: {
      description: 'An empty list.',
      contentType: INDEX_TYPE,
      schema: object({ manifests: list(object({})) }),
    },
    refusals: { 404: 'There is no such component.' },
  },
  discovery: {
    id: 'discovery',
    summary: 'Which protocol to ask for components, and where',
    success: {
      description: 'OCI, on this host.',
      schema: object({
        preferredProtocol: { const: 'oci' },
        oci: object({ registry: text, namespacePrefix: text }),
      }),
    },
  },
} satisfies Record<string, RouteDoc>;
