/** The requests that change something: publish (contract, section 7) and yank (9.6). */
import { RegistryError } from '../../core/errors.ts';
import { requireScope } from '../../core/permission.ts';
import type { Call, HttpAnswer, Intent, Visibility } from '../../core/route.ts';
import { isAskableName, isVersion } from './names.ts';
import { entryUrlPath } from './paths.ts';
import { MAX_UPLOAD_BYTES, parseUpload } from './upload.ts';
import type { X07Meta } from './files.ts';

const MAX_JSON_BYTES = 2 * 1024 * 1024;

export async function publish(call: Call): Promise<Intent> {
  const actor = requireScope(call.authenticate(), 'publish');
  const archive = await call.stageBody({ maxBytes: MAX_UPLOAD_BYTES });
  const manifest = await parseUpload(archive);
  const { name, version } = manifest;
  const meta = await call.keepMeta({ manifest: JSON.stringify(manifest) } satisfies X07Meta);
  return {
    actor,
    blobs: [archive, ...meta.blobs],
    plan: () => [
      {
        kind: 'publish',
        ecosystem: 'x07',
        name,
        version,
        artifacts: [
          {
            role: 'archive',
            digest: archive.digest,
            size: archive.size,
            mediaType: 'application/octet-stream',
          },
        ],
        ...meta.fields,
      },
    ],
    answer: (_events, visibility) =>
      ok(visibility, {
        name,
        version,
        cksum: archive.digest.slice('sha256:'.length),
        index_path: `${call.mount === '/' ? '' : call.mount}/${entryUrlPath(name)}`,
      }),
  };
}

export async function yank(call: Call): Promise<Intent> {
  const body = await call.readJson({ maxBytes: MAX_JSON_BYTES });
  const yanked: unknown =
    typeof body === 'object' && body !== null ? (body as { yanked?: unknown }).yanked : undefined;
  if (typeof yanked !== 'boolean')
    throw new RegistryError('wrong-shape', 'the body must be {"yanked":true} or {"yanked":false}');
  const actor = requireScope(call.authenticate(), 'yank', undefined, 'owner.manage');
  const { name = '', version = '' } = call.params;
  if (!isAskableName(name)) throw new RegistryError('invalid-name', 'invalid package name');
  if (!isVersion(version)) throw new RegistryError('invalid-version', 'invalid version');
  return {
    actor,
    plan: () => [{ kind: yanked ? 'yank' : 'unyank', ecosystem: 'x07', name, version }],
    answer: (_events, visibility) => ok(visibility, { name, version, yanked }),
  };
}

function ok(visibility: Visibility, fields: object): HttpAnswer {
  const degraded =
    visibility === 'degraded'
      ? { degraded: 'accepted, and not yet visible to readers; it will be without help' }
      : {};
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ok: true, ...fields, ...degraded }),
  };
}
