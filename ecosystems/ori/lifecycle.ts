/** Yank, unyank and deprecate (contract, section 7). Each may be sent again: what is so already stays so. */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Actor } from '../../core/permission.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { quote } from '../quote.ts';
import { json, lineIn, readObject, readOptionalObject, wrongShape } from './answers.ts';
import { isName, isVersion, nameIn } from './names.ts';
import { requirePermission } from './permissions.ts';
import { removalOf, removed } from './releases.ts';

const reasonShape = '{"reason":"…"}, or none';
const messageShape = '{"message":"Use 2.x"}; an empty message takes it back';

interface Subject {
  readonly actor: Actor;
  readonly name: string;
  readonly version: string;
}

/** `POST …/{version}/yank` */
export async function yank(call: Call): Promise<Intent> {
  const actor = requireOwner(call);
  const reason = lineIn(await readOptionalObject(call, reasonShape), 'reason', reasonShape);
  const subject = { actor, ...releaseIn(call) };
  const said = reason === undefined || reason === '' ? {} : { reason };
  return change(subject, { kind: 'yank', ...ofRelease(subject), ...said }, { yanked: true });
}

/** `POST …/{version}/unyank` */
export async function unyank(call: Call): Promise<Intent> {
  const actor = requireOwner(call);
  lineIn(await readOptionalObject(call, reasonShape), 'reason', reasonShape);
  const subject = { actor, ...releaseIn(call) };
  return change(subject, { kind: 'unyank', ...ofRelease(subject) }, { yanked: false });
}

/** `POST …/{version}/deprecate` */
export async function deprecate(call: Call): Promise<Intent> {
  const actor = requireOwner(call);
  const message = lineIn(await readObject(call, messageShape), 'message', messageShape);
  if (message === undefined) throw wrongShape(messageShape);
  const subject = { actor, ...releaseIn(call) };
  const of = ofRelease(subject);
  return message === ''
    ? change(subject, { kind: 'undeprecate', ...of }, { deprecated: null })
    : change(subject, { kind: 'deprecate', ...of, message }, { deprecated: message });
}

/** That the package is theirs is decided with the change itself. */
function requireOwner(call: Call): Actor {
  return requirePermission(call, 'publish', 'yank');
}

/** @throws RegistryError `invalid-name`, `invalid-version` */
function releaseIn(call: Call): Omit<Subject, 'actor'> {
  const name = nameIn(call.params);
  const { version = '' } = call.params;
  if (!isName(name)) throw new RegistryError('invalid-name', `${quote(name)} is not a package name`);
  if (!isVersion(version)) throw new RegistryError('invalid-version', `${quote(version)} is not a version`);
  return { name, version };
}

function ofRelease({ name, version }: Subject): { ecosystem: 'ori'; name: string; version: string } {
  return { ecosystem: 'ori', name, version };
}

function change({ actor, name, version }: Subject, command: Command, now: object): Intent {
  return {
    actor,
    plan(view) {
      requireThere(name, version, view);
      return [command];
    },
    answer: (_events, visibility) => json(200, { ok: true, name, version, ...now }, visibility),
  };
}

/** @throws RegistryError of a version that was taken away; what never was here the decision refuses. */
function requireThere(name: string, version: string, view: StateView): void {
  const of = view.package('ori', name);
  const release = of?.visibility === 'public' ? of.releases.get(version) : undefined;
  const removal = release && removalOf(release);
  if (removal) throw removed(name, version, removal);
}
