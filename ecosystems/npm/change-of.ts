import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { done } from './answers.ts';
import { knownPackage } from './reads.ts';

/**
 * A write to the package that the path names. `plan` gets it as it is, each time that it is planned; to those who may
 * not know of it, it is not there.
 */
export function changeOf(
  call: Call,
  actor: Actor,
  plan: (of: Package, view: StateView) => readonly Command[],
  status = 200,
): Intent {
  const { name = '' } = call.params;
  return {
    actor,
    plan(view) {
      const of = knownPackage(view, name, actor);
      if (!of) throw new RegistryError('package-not-found', `${name} is not in this registry`);
      return plan(of, view);
    },
    answer: (_events, visibility) => done(status, { id: name }, visibility),
  };
}
