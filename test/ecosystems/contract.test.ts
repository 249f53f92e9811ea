/** What is promised of every surface, whatever its protocol. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RouteTable } from '../../core/route.ts';
import { RegistryError } from '../../core/errors.ts';
import { sitePath, type SiteFile, type Summary } from '../../core/site.ts';
import { siteContext, type SiteContext, type Surface } from '../../ecosystems/ecosystem.ts';
import { ecosystems } from '../../ecosystems/index.ts';
import { foundKeysOf } from '../../core/package.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { problems } from '../../api/problems.ts';
import { allFiles } from '../../generator/plan.ts';
import { aPackage, someSettings } from '../support/registry.ts';
import { examples } from './examples.ts';

for (const { id, rules } of Object.values(ecosystems)) {
  const example = aPackage(examples[id], rules);
  for (const surface of allSurfaces.filter(({ reads }) => reads.includes(id)))
    describe(`the surface ${surface.id} of ${id}`, () => {
      const contexts = ['/', `/${surface.id}`, '/some/where'].map((mount) => {
        return siteContext(surface, someSettings({ mounts: mountsAt(surface, mount) })) ?? assert.fail();
      });

      test('publishes the same bytes whenever it is asked', async () => {
        for (const site of contexts) {
          const [once, twice] = [await whole(site), await whole(site)];
          assert.ok(once.size > 0);
          assert.deepEqual(once, twice);
        }
      });

      test('publishes no file that none of its routes finds', async () => {
        for (const site of contexts)
          for (const path of (await whole(site)).keys()) assert.ok(isReachable(path, site), path);
      });

      test('has an answer for every refusal, with a status of refusals', () => {
        const head = { method: 'GET', path: '/', requestId: '0'.repeat(32) };
        for (const code of Object.keys(problems) as (keyof typeof problems)[]) {
          const { status } = surface.renderError(new RegistryError(code, 'as a test'), head);
          assert.ok(status >= 400 && status < 600, `${code}: ${status}`);
        }
      });

      test('describes each of its routes once', () => {
        const ids = surface.routes.flatMap(({ doc }) => (doc ? [doc.id] : []));
        assert.equal(new Set(ids).size, ids.length);
        assert.ok(ids.length > 0);
      });

      async function whole(site: SiteContext): Promise<Map<string, string>> {
        const files: SiteFile[] = [...allFiles(example, { surface, site })];
        const summary = surface.summarize?.(example, site);
        files.push(...surface.filesForRoot(listOf(summary), site));
        for (const key of foundKeysOf(example).keys())
          files.push(...(surface.filesForKey?.(key, [example], site) ?? []));
        const bodies = new Map<string, string>();
        for (const { path, body } of files) {
          assert.ok(!bodies.has(path), `${path} is published twice`);
          bodies.set(path, await textOf(body));
        }
        return bodies;
      }

      /** A request for the path finds a route, and that route finds the file. */
      function isReachable(path: string, { mount }: SiteContext): boolean {
        const table = new RouteTable<(typeof surface.routes)[number]>();
        const prefix = mount === '/' ? '' : mount;
        for (const route of surface.routes)
          table.add(route.from === 'api' ? route.method : 'GET', `${prefix}/${route.pattern}`, route);
        const asked = `/${withoutType(path).replace(/\/?=index$/, '')}`;
        const { canonicalPath = (same: string): string => same } = surface;
        const match = [asked, `${asked}/`]
          .map((at) => (at === prefix ? at : prefix + canonicalPath(at.slice(prefix.length))))
          .map((at) => table.match('GET', at))
          .find(({ found }) => found === 'route');
        return (
          match?.found === 'route' &&
          match.route.from === 'site' &&
          sitePath(mount, match.route, match.params, typeOf(path)) === path
        );
      }

      /** Of files that are stored with one: nobody asks for it. */
      function typeOf(path: string): string | undefined {
        const ending = path.slice(path.lastIndexOf('.') + 1);
        const isType = surface.routes.some(
          (route) => route.from === 'site' && Object.hasOwn(route.types ?? {}, ending),
        );
        return isType ? ending : undefined;
      }

      function withoutType(path: string): string {
        const type = typeOf(path);
        return type === undefined ? path : path.slice(0, -type.length - 1);
      }
    });
}

/** What stands below another has its place from there. */
function mountsAt({ id, below, beside }: Surface, mount: string): Record<string, string> {
  if (beside) return { [beside.surface]: mount };
  return below ? { [below.surface]: mount, [below.twin]: '/a/place/of/its/own' } : { [id]: mount };
}

async function* listOf(summary: Summary | undefined): AsyncIterable<Summary> {
  if (summary) yield summary;
}

async function textOf(body: SiteFile['body']): Promise<string> {
  if ('blob' in body) return body.blob;
  if ('bytes' in body) return Buffer.from(body.bytes).toString('latin1');
  let text = '';
  for await (const piece of body.stream()) text += piece;
  return text;
}
