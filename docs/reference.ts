/** Writes `http-api.md`, the reference of the HTTP API, from the document that the API serves; `--check` refuses a stale one. */
import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { apiDocument } from '../api/own-surface.ts';
import { allSurfaces } from '../surfaces/index.ts';

type Schema = Record<string, unknown>;
interface Media {
  readonly schema?: Schema;
}
interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly 'x-scope'?: string;
  readonly parameters?: readonly { name: string; in: string; description?: string; schema: Schema }[];
  readonly requestBody?: { content: Record<string, Media> };
  readonly responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Document {
  readonly tags: readonly { name: string; description: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, Schema> };
}

const target = new URL('http-api.md', import.meta.url);
const settings = {
  publicUrl: 'https://registry.example',
  mounts: Object.fromEntries(allSurfaces.map(({ id, defaultMount }) => [id, defaultMount])),
};
const wanted = await format(
  reference(apiDocument({ surfaces: allSurfaces, version: '', settings: () => settings }) as Document),
  { ...(await resolveConfig(target)), parser: 'markdown' },
);
if (!process.argv.includes('--check')) await writeFile(target, wanted);
else if ((await readFile(target, 'utf8').catch(() => '')) !== wanted) {
  console.error('docs/http-api.md is stale: run `npm run reference` and commit the result.');
  process.exitCode = 1;
}

function reference({ tags, paths, components }: Document): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return [
      `## ${description}`,
      ...own.map(({ path, method, operation }) => describe(path, method, operation)),
    ].join('\n\n');
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `### ${name}\n\n\`${shape(schema)}\``,
  );
  return [
    '# HTTP API',
    'Made by `npm run reference` from the document that a running registry serves at `/-/cairn/openapi.json`. Paths are those of the ' +
      'default mounts. `HEAD` works wherever `GET` does. A refusal has the form of the clients it is for; every answer has an `x-request-id`.\n',
    ...sections,
    '## Schemas',
    'A field with `?` may be missing. More fields may come later.\n',
    ...schemas,
  ].join('\n\n');
}

function describe(path: string, method: string, operation: Operation): string {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const scope = operation['x-scope'];
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const lines = [
    `### ${method.toUpperCase()} \`${path}\``,
    `${summary}${summary.endsWith('?') ? '' : '.'}${description === undefined ? '' : ` ${description}`}`,
    ...(scope === undefined ? [] : [`Needs ${scope === 'any' ? 'a token' : `a token with \`${scope}\``}.`]),
    ...query.map(({ name, description = '', schema }) => `- \`?${name}=\` ${shape(schema)}. ${description}`),
    ...Object.entries(requestBody?.content ?? {}).map(
      ([type, { schema }]) => `Body: \`${type}\` \`${shape(schema ?? {})}\``,
    ),
    '| status | |\n| --- | --- |\n' +
      Object.entries(responses)
        .filter(([status]) => !['206', '304', '416', 'default'].includes(status))
        .map(
          ([status, { description, content }]) =>
            `| ${status} | ${description}${Number(status) < 300 ? bodies(content) : ''} |`,
        )
        .join('\n'),
  ];
  return lines.join('\n\n');
}

function bodies(content: Record<string, Media> = {}): string {
  return Object.entries(content)
    .map(
      ([type, { schema }]) =>
        ` \`${type}\`${schema && Object.keys(schema).length > 0 ? ` \`${shape(schema).replaceAll('|', '\\|')}\`` : ''}`,
    )
    .join('');
}

/** A schema in one line, as a person would write it down. */
function shape(schema: Schema): string {
  if (typeof schema['$ref'] === 'string') return schema['$ref'].split('/').at(-1) ?? '';
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => JSON.stringify(value)).join(' | ');
  for (const [word, separator] of [
    ['allOf', ' & '],
    ['anyOf', ' | '],
  ] as const)
    if (Array.isArray(schema[word])) return (schema[word] as Schema[]).map(shape).join(separator);
  const type = schema['type'];
  const types = (Array.isArray(type) ? type : [type]) as (string | undefined)[];
  return types.map((one) => shapeOfType(one, schema)).join(' | ');
}

function shapeOfType(type: string | undefined, schema: Schema): string {
  if (type === 'array') return `[${shape((schema['items'] as Schema | undefined) ?? {})}]`;
  if (type !== 'object')
    return typeof schema['format'] === 'string' ? schema['format'] : (type ?? 'anything');
  const properties = Object.entries((schema['properties'] as Record<string, Schema> | undefined) ?? {});
  if (properties.length === 0) return 'object';
  const required = (schema['required'] as string[] | undefined) ?? [];
  return `{${properties.map(([name, value]) => `${name}${required.includes(name) ? '' : '?'}: ${shape(value)}`).join(', ')}}`;
}
