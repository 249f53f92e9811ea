/** What is answered where there is no file: a version that was taken away, or nothing at all. */
import { RegistryError } from '../../core/errors.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { nameIn } from './names.ts';
import { removalOf, removed } from './releases.ts';

/** `…/{version}/metadata` and `…/{version}/download` */
export async function readMissing(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameIn(call.params);
  const { version = '' } = call.params;
  const of = view.package('ori', name);
  // Of what is not for everybody nothing is said.
  const release = of?.visibility === 'public' ? of.releases.get(version) : undefined;
  const removal = release && removalOf(release);
  if (removal) throw removed(name, version, removal);
  throw new RegistryError('version-not-found', `there is no ${name} ${version}`);
}
