/** Tags of a repository, in order of bytes (contract, section 6). */
import type { Package } from '../../core/package.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { requireAccess, requireRepository } from './access.ts';
import { json } from './answers.ts';
import { pageOf } from './paging.ts';

interface TagList {
  readonly tags: readonly string[];
  readonly document: Uint8Array;
}

/** Fifty thousand tags take a while to sort and to write: kept for as long as they are these. */
const lists = new WeakMap<Package['refs'], TagList>();

export function tagsOf({ name, refs }: Package): TagList {
  const known = lists.get(refs);
  if (known) return known;
  // Tags are ASCII: the order of code units is that of bytes.
  const tags = [...refs.keys()].sort();
  const list = { tags, document: Buffer.from(JSON.stringify({ name, tags })) };
  lists.set(refs, list);
  return list;
}

/** `{name}/tags/list`, of private repositories, or a part of it */
export async function readTags(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '' } = call.params;
  await requireAccess(call, view, { name, action: 'pull' });
  const { items, headers } = pageOf(tagsOf(requireRepository(view, name)).tags, call);
  return json(200, { name, tags: items }, headers);
}
