/** The API's document (OpenAPI 3.1), made from the routes themselves: what is served is what is described. */
import type { AnswerDoc, BodyDoc, JsonSchema, RouteDoc } from '../core/route-doc.ts';
import type { DocumentedRoute } from '../core/route.ts';
import type { Surface } from './ecosystem.ts';

export interface DocumentedSurface {
  readonly surface: Pick<Surface, 'id' | 'routes' | 'doc' | 'takesBasic'>;
  /** What its paths start with in this document; empty for none. */
  readonly prefix: string;
  /** Whether its requests are counted: then each answer says how many are left. */
  readonly isLimited?: boolean;
}

export interface DocumentHead {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly serverUrl: string;
}

type Json = Readonly<Record<string, unknown>>;

const basic: Json = {
  type: 'http',
  scheme: 'basic',
  description: 'A handle with its password or one of its tokens.',
};

export function openApiDocument(head: DocumentHead, surfaces: readonly DocumentedSurface[]): Json {
  const { title, description, version, serverUrl } = head;
  const paths: Record<string, Record<string, Json>> = {};
  for (const { surface, prefix, isLimited = false } of surfaces)
    for (const route of surface.routes) {
      if (!route.doc) continue;
      const path = `${prefix}/${route.pattern.replaceAll('{+', '{')}`;
      const method = route.from === 'api' ? route.method.toLowerCase() : 'get';
      (paths[path] ??= {})[method] = operation(route, route.doc, surface, isLimited);
    }
  return {
    openapi: '3.1.0',
    info: { title, version, description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: serverUrl }],
    tags: surfaces.map(({ surface }) => ({ name: surface.id, description: surface.doc.title })),
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        ...(surfaces.some(({ surface }) => surface.takesBasic) ? { password: basic } : {}),
      },
      schemas: Object.assign({}, ...surfaces.map(({ surface }) => surface.doc.schemas)) as Json,
    },
  };
}

function operation(
  route: DocumentedRoute,
  doc: RouteDoc,
  surface: DocumentedSurface['surface'],
  isLimited: boolean,
): Json {
  const { id, summary, description, scope, query = {}, body, refusals = {} } = doc;
  const inPath = [...route.pattern.matchAll(/\{\+?(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query).map(([name, { description, schema }]) => ({
    name,
    in: 'query',
    required: false,
    description,
    schema,
  }));
  const refused = Object.entries(refusals).map(([status, meaning]) => [
    status,
    { description: meaning, content: contents(surface.doc.refusals) },
  ]);
  return {
    operationId: `${surface.id}.${id}`,
    tags: [surface.id],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(scope === undefined
      ? { security: [{}] }
      : { security: [{ token: [] }, ...(surface.takesBasic ? [{ password: [] }] : [])], 'x-scope': scope }),
    ...(inPath.length + inQuery.length > 0 ? { parameters: [...inPath, ...inQuery] } : {}),
    ...(body
      ? {
          requestBody: {
            required: ![body].flat().some(({ isOptional }) => isOptional),
            content: bodies([body].flat()),
          },
        }
      : {}),
    responses: withLimits(isLimited, {
      ...(doc.success === 'never' ? {} : successes(route, doc.success ?? { description: 'Done.' })),
      ...Object.fromEntries(
        Object.entries(doc.redirects ?? {}).map(([status, meaning]) => [status, redirected(meaning)]),
      ),
      ...(Object.assign(
        {},
        ...Object.entries(doc.others ?? {}).map(([status, other]) =>
          successes(route, { ...other, status: Number(status) }),
        ),
      ) as Json),
      ...(Object.fromEntries(refused) as Json),
      ...(isLimited ? { 429: tooMany('Too many requests in a minute.', surface) } : {}),
      ...(isLimited || !surface.takesBasic || (scope === undefined && !('401' in refusals))
        ? {}
        : { 429: tooMany('Too many wrong passwords.', surface) }),
      default: {
        description: 'Something is wrong with the registry itself; the request may be sent again.',
        content: contents(surface.doc.refusals),
      },
    }),
  };
}

function tooMany(description: string, surface: DocumentedSurface['surface']): Json {
  return {
    description,
    headers: { 'retry-after': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } } },
    content: contents(surface.doc.refusals),
  };
}

const counts = { type: 'integer', minimum: 0 };
const limitHeaders: Json = {
  'x-ratelimit-limit': { description: 'Requests in a minute.', schema: counts },
  'x-ratelimit-remaining': { description: 'How many are left of them.', schema: counts },
  'x-ratelimit-reset': { description: 'When the minute ends, in Unix seconds.', schema: counts },
  'ratelimit-policy': { description: 'The same, as the IETF has it.', schema: { type: 'string' } },
  ratelimit: { description: 'What is left, and for how many seconds.', schema: { type: 'string' } },
};

/** A registry in trouble may say nothing of them. */
function withLimits(isLimited: boolean, responses: Readonly<Record<string, Json>>): Json {
  if (!isLimited) return responses;
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      if (status === 'default') return [status, response];
      return [status, { ...response, headers: { ...(response['headers'] as Json), ...limitHeaders } }];
    }),
  );
}

function bodies(forms: readonly BodyDoc[]): Json {
  return contents(Object.fromEntries(forms.map(({ contentType, schema }) => [contentType, schema])));
}

function contents(byType: Readonly<Record<string, JsonSchema>>): Json {
  return Object.fromEntries(Object.entries(byType).map(([type, schema]) => [type, { schema }]));
}

const requestId = {
  'x-request-id': {
    description: 'What the log of the registry calls this request.',
    schema: { type: 'string', pattern: '^[0-9a-f]{32}$' },
  },
};

function redirected(description: string): Json {
  const location = { description: 'Where it is.', schema: { type: 'string' } };
  return { description, headers: { ...requestId, location } };
}

function successes(route: DocumentedRoute, success: AnswerDoc): Json {
  const { description, schema, alternatives = {} } = success;
  switch (route.from) {
    case 'redirect':
      return { [route.status]: redirected(description) };
    case 'api': {
      const { status = 200, contentType } = success;
      const media = { [contentType ?? 'application/json']: schema ? { schema } : {} };
      const content = schema || contentType !== undefined ? { content: media } : {};
      return { [status]: { description, headers: requestId, ...content } };
    }
    case 'site': {
      // A file may be asked for in part (RFC 9110, section 14), or only if it has changed (section 13).
      const headers = {
        ...requestId,
        etag: { description: 'Names these bytes.', schema: { type: 'string' } },
        'cache-control': { description: 'How long anyone may keep them.', schema: { type: 'string' } },
      };
      const types = route.types
        ? [...new Set(Object.values(route.types).map(({ contentType }) => contentType))]
        : route.contentType.split(';').slice(0, 1);
      const each = (media: Json): Json => Object.fromEntries(types.map((type) => [type, media]));
      // Where there is no file the API answers, and nobody may keep that.
      const always = 'missFromApi' in route ? requestId : headers;
      return {
        200: {
          description,
          headers: always,
          content: { ...each({ schema: schema ?? {} }), ...contents(alternatives) },
        },
        206: { description: 'The part that was asked for.', headers, content: each({}) },
        304: { description: 'Not changed.', headers },
        416: { description: 'There is no such part.', headers },
      };
    }
  }
}
