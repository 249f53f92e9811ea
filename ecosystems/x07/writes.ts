/** The requests that change something: publish (contract, section 7) and yank (9.6). */
import { RegistryError } from '../../core/errors.ts';
import type { Call, Intent } from '../../core/route.ts';
import { ok, readObject, wrongShape } from './answers.ts';
import { requireWord } from './scopes.ts';
import { signedText } from './signing.ts';
import { isAskableName, isVersion } from './names.ts';
import { entryUrlPath } from './paths.ts';
import { MAX_UPLOAD_BYTES, parseUpload } from './upload.ts';
import type { X07Meta } from './files.ts';

export async function publish(call: Call): Promise<Intent> {
  const actor = requireWord(call, 'publish');
  const archive = await call.stageBody({ maxBytes: MAX_UPLOAD_BYTES });
  const manifest = await parseUpload(archive);
  const { name, version } = manifest;
  const cksum = archive.digest.slice('sha256:'.length);
  const meta = await call.keepMeta({ manifest: JSON.stringify(manifest) } satisfies X07Meta);
  return {
    actor,
    blobs: [archive, ...meta.blobs],
    plan: (view) => [
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
        signatures: call.signaturesOf(view, 'x07', signedText(name, version, cksum)),
      },
    ],
    answer: (_events, visibility) =>
      ok(
        {
          name,
          version,
          cksum,
          index_path: `${call.mount === '/' ? '' : call.mount}/${entryUrlPath(name)}`,
        },
        visibility,
      ),
  };
}

export async function yank(call: Call): Promise<Intent> {
  const shape = '{"yanked":true} or {"yanked":false}';
  const { yanked } = await readObject(call, shape);
  if (typeof yanked !== 'boolean') throw wrongShape(shape);
  const actor = requireWord(call, 'owner.manage', 'yank');
  const { name = '', version = '' } = call.params;
  if (!isAskableName(name)) throw new RegistryError('invalid-name', 'invalid package name');
  if (!isVersion(version)) throw new RegistryError('invalid-version', 'invalid version');
  return {
    actor,
    plan: () => [{ kind: yanked ? 'yank' : 'unyank', ecosystem: 'x07', name, version }],
    answer: (_events, visibility) => ok({ name, version, yanked }, visibility),
  };
}
