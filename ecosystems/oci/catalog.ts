/** `/v2/` itself, and the list of repositories, which the specification leaves out and clients ask for (contract, sections 6 and 10.1). */
import type { Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { challenge, identify, mayDo, withGranted } from './access.ts';
import { json } from './answers.ts';
import { pageOf } from './paging.ts';

/** `GET /v2/`: from this alone clients learn how to say who they are. */
export async function ping(call: Call, view: StateView): Promise<HttpAnswer> {
  const actor = identify(call, view);
  // Any good token will do, also one of nobody.
  if (!actor && !call.access()) throw challenge(view, 'say who you are, or ask for a token as nobody');
  return json(200, {});
}

/** `_catalog`: what the caller may pull */
export async function listRepositories(call: Call, view: StateView): Promise<HttpAnswer> {
  const publicNames = (await call.summaries()).map(({ name }) => name);
  const { items, headers } = pageOf(
    [...publicNames, ...privateNamesFor(reader(call, view), view)].sort(),
    call,
  );
  return json(200, { repositories: items }, headers);
}

/** Private repositories that somebody may pull. */
export function privateNamesFor(actor: Actor | undefined, view: StateView): readonly string[] {
  if (!actor) return [];
  return view.privateNames('oci').filter((name) => mayDo(actor, view, { name, action: 'pull' }));
}

/** A token has to be one for the catalog to show more than is public. */
function reader(call: Call, view: StateView): Actor | undefined {
  const actor = identify(call, view);
  const access = call.access();
  if (!access || !actor) return actor;
  const isFor = access.some(({ type, name }) => type === 'registry' && name === 'catalog');
  return isFor ? withGranted(actor, ['pull']) : undefined;
}
