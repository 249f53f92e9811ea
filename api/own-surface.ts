/** What the server answers on its own behalf, whatever ecosystems are on: health, metrics, its own document. */
import { RegistryError } from '../core/errors.ts';
import type { JsonSchema } from '../core/route-doc.ts';
import type { DocumentedRoute, HttpAnswer } from '../core/route.ts';
import type { Settings } from '../schema/types.ts';
import { mountOf, type Surface } from '../ecosystems/ecosystem.ts';
import { openApiDocument, type DocumentedSurface } from '../ecosystems/openapi.ts';
import { limitsOf, type SaidLimits } from './limits.ts';
import { renderProblem } from './problems.ts';

export interface Health {
  readonly ready: boolean;
  /** Why it is not, or what lags behind. */
  readonly problems: readonly string[];
  readonly events: number;
  readonly onSite: number;
}

export interface OwnSurfaceDeps {
  readonly surfaces: readonly Surface[];
  readonly version: string;
  /** What the operator says about limits; what surfaces say themselves where it is absent. */
  readonly limits?: { readonly said: SaidLimits };
  readonly settings: () => Settings;
  readonly health: () => Health;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Nothing else may be mounted there. */
const ownPaths: readonly string[] = ['/healthz', '/readyz', '/metrics', '/-'];

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const healthSchema: JsonSchema = {
  type: 'object',
  properties: {
    ready: { type: 'boolean' },
    problems: { type: 'array', items: text },
    events: count,
    onSite: count,
  },
  required: ['ready', 'problems', 'events', 'onSite'],
};
const problemSchema: JsonSchema = {
  type: 'object',
  properties: { error: text, errors: { type: 'array' }, code: text, message: text, request_id: text },
  required: ['error', 'errors', 'code', 'message', 'request_id'],
};

export function ownSurface(deps: OwnSurfaceDeps): Surface {
  const { settings } = deps;
  const routes: readonly DocumentedRoute[] = [
    {
      from: 'api',
      method: 'GET',
      pattern: '',
      handle: async () => json(200, { service: 'cairn', surfaces: settings().mounts }),
      doc: {
        id: 'root',
        summary: 'Which surfaces are on, and where',
        success: { description: 'Mounts by surface.', schema: { type: 'object' } },
      },
    },
    {
      from: 'api',
      method: 'GET',
      pattern: 'healthz',
      handle: async () => ({
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: 'ok',
      }),
      doc: {
        id: 'healthz',
        summary: 'Does the process live?',
        success: { description: 'It does.', contentType: 'text/plain', schema: { const: 'ok' } },
      },
    },
    {
      from: 'api',
      method: 'GET',
      pattern: 'readyz',
      async handle() {
        const health = deps.health();
        return json(health.ready ? 200 : 503, health);
      },
      doc: {
        id: 'readyz',
        summary: 'Does the site stand for the log?',
        success: { description: 'It does.', schema: healthSchema },
        refusals: { 503: 'It lags behind; publishes are accepted, and it follows as soon as it can.' },
      },
    },
    {
      from: 'api',
      method: 'GET',
      pattern: 'metrics',
      async handle() {
        const { contentType, text } = await deps.metrics();
        return { status: 200, headers: { 'content-type': contentType }, body: text };
      },
      doc: {
        id: 'metrics',
        summary: 'Figures for Prometheus',
        success: { description: 'Text exposition format.', contentType: 'text/plain', schema: text },
      },
    },
    {
      from: 'api',
      method: 'GET',
      pattern: '-/cairn/openapi.json',
      handle: async () => json(200, documentOf(own, deps), 2),
      doc: {
        id: 'openapi',
        summary: 'This document',
        success: { description: 'OpenAPI 3.1.', schema: { type: 'object' } },
      },
    },
  ];
  const own: Surface = {
    id: 'cairn',
    reads: [],
    defaultMount: '/',
    routes,
    doc: {
      title: 'The registry itself',
      schemas: {},
      refusals: { 'application/json': { anyOf: [problemSchema, healthSchema] } },
    },
    filesForRelease: () => [],
    filesForPackage: () => [],
    filesForRoot: () => [],
    renderError: renderProblem,
  };
  return own;
}

type DocumentDeps = Pick<OwnSurfaceDeps, 'surfaces' | 'version' | 'settings' | 'limits'>;

function documentOf(own: Surface, { surfaces, version, settings, limits }: DocumentDeps): object {
  const { publicUrl } = settings();
  const mounted = surfaces.flatMap((surface): DocumentedSurface[] => {
    const mount = mountOf(surface, settings());
    const isLimited = limitsOf(surface, surfaces, limits?.said) !== undefined;
    return mount === undefined ? [] : [{ surface, prefix: mount === '/' ? '' : mount, isLimited }];
  });
  return openApiDocument(
    {
      title: 'Cairn',
      description: 'A package registry made of a git log and a bucket of static files: the whole API.',
      version,
      serverUrl: publicUrl,
    },
    [{ surface: own, prefix: '' }, ...mounted],
  );
}

/** The document of the whole API, without a server. */
export function apiDocument(deps: DocumentDeps): object {
  const unused = (): never => {
    throw new Error('a document answers nothing');
  };
  return documentOf(ownSurface({ ...deps, health: unused, metrics: unused }), deps);
}

function json(status: number, body: object, indent?: number): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(body, null, indent),
  };
}

/** @throws RegistryError `conflict` when a mount would hide what the server itself answers. */
export function requireFree(mount: string): void {
  const taken = ownPaths.find((path) => mount === path || mount.startsWith(`${path}/`));
  if (taken !== undefined)
    throw new RegistryError('conflict', `nothing can be mounted at ${mount}: ${taken} is the server's own`);
}
