/** Writes of one field each: tags (contract, section 5), access (section 8), and pnpm's stars (section 6). */
import { RegistryError } from '../../core/errors.ts';
import type { Call, Intent } from '../../core/route.ts';
import { requireWriter, wrongShape } from './answers.ts';
import { changeOf } from './change-of.ts';
import { isListed, tagsOf } from './files.ts';
import { isObject } from './manifest.ts';
import { checkTag, rules } from './names.ts';

/** `PUT -/user/package/{name}/star`, and `DELETE`: pnpm's way. */
export async function putStar(call: Call): Promise<Intent> {
  return setStar(call, 'star');
}

export async function deleteStar(call: Call): Promise<Intent> {
  return setStar(call, 'unstar');
}

async function setStar(call: Call, kind: 'star' | 'unstar'): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '' } = call.params;
  return changeOf(call, actor, () => [{ kind, ecosystem: 'npm', name }]);
}

/** `GET -/package/{name}/dist-tags` is a file; these change it (section 5). */
export async function putDistTag(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '', tag = '' } = call.params;
  checkTag(tag);
  const version = await call.readJson({ maxBytes: 1024 });
  if (typeof version !== 'string') throw wrongShape('a version as a JSON text, such as "1.0.0"');
  return changeOf(call, actor, (of) => {
    const release = of.releases.get(rules.versionKey(version));
    if (!release || !isListed(release))
      throw new RegistryError('version-not-found', `${name} has no version ${version}`);
    return [{ kind: 'set-ref', ecosystem: 'npm', name, ref: tag, target: release.version }];
  });
}

export async function deleteDistTag(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '', tag = '' } = call.params;
  if (tag === 'latest')
    throw new RegistryError('bad-request', 'latest cannot be removed; set it to another version instead');
  return changeOf(call, actor, (of) => {
    if (!tagsOf(of).includes(tag)) throw new RegistryError('ref-not-found', `${name} has no tag ${tag}`);
    return [{ kind: 'remove-ref', ecosystem: 'npm', name, ref: tag }];
  });
}

/** `POST -/package/{name}/access` (section 8). */
export async function postAccess(call: Call): Promise<Intent> {
  const actor = await requireWriter(call);
  const { name = '' } = call.params;
  const body = await call.readJson({ maxBytes: 64 * 1024 });
  const access = isObject(body) ? body['access'] : undefined;
  if (access === undefined)
    throw new RegistryError(
      'bad-request',
      'this registry knows access public and restricted; second factors are a matter of accounts here: npm profile enable-2fa',
    );
  if (access !== 'public' && access !== 'restricted')
    throw new RegistryError('bad-request', 'access is public or restricted');
  if (access === 'restricted' && !name.startsWith('@'))
    throw new RegistryError('bad-request', 'only a scoped package, such as @scope/name, can be restricted');
  const visibility = access === 'restricted' ? 'private' : 'public';
  return changeOf(call, actor, () => [{ kind: 'set-visibility', ecosystem: 'npm', name, visibility }]);
}
