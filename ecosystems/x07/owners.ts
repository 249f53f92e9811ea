/** Owners of a package (contract, sections 9.4 and 9.5); their list is a file. */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Call, Intent } from '../../core/route.ts';
import { ok, readObject, requiredText } from './answers.ts';
import { isAskableName } from './names.ts';
import { requireWord } from './scopes.ts';

/** `POST v1/packages/{name}/owners` */
export async function addOwner(call: Call): Promise<Intent> {
  const shape = '{"handle":"bob"}';
  const body = await readObject(call, shape);
  return change(call, 'add-owner', requiredText(body, 'handle', shape).trim().toLowerCase());
}

/** `DELETE v1/packages/{name}/owners/{handle}` */
export async function removeOwner(call: Call): Promise<Intent> {
  return change(call, 'remove-owner', (call.params['handle'] ?? '').toLowerCase());
}

function change(call: Call, kind: 'add-owner' | 'remove-owner', owner: string): Intent {
  const actor = requireWord(call, 'owner.manage');
  const { name = '' } = call.params;
  if (!isAskableName(name)) throw new RegistryError('invalid-name', 'invalid package name');
  if (!isAskableName(owner)) throw new RegistryError('invalid-name', 'invalid handle');
  const command: Command = { kind, ecosystem: 'x07', name, owner };
  return { actor, plan: () => [command], answer: (_events, visibility) => ok({}, visibility) };
}
