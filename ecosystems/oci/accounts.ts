/** Accounts, visibility and members, below `/api/v1` (contract, section 15; members are ours). */
import { isOwnerOf } from '../../core/access.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Namespace, Package } from '../../core/package.ts';
import { isAdministrator, requireScope, type Actor, type Place } from '../../core/permission.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { challenge, identify } from './access.ts';
import { empty, json } from './answers.ts';
import { privateNamesFor } from './catalog.ts';
import { manifestArtifact, metaOf } from './manifest.ts';
import { checkName, namespaceOf, quoted } from './names.ts';

const MAX_BODY_BYTES = 16 * 1024;

/** `POST users`: an account that somebody makes for themselves, where that is possible. */
export async function createUser(call: Call): Promise<HttpAnswer> {
  const { username, password, invitation } = await readFields(call, ['username', 'password'], ['invitation']);
  if (username === 'anonymous')
    throw new RegistryError('bad-request', 'anonymous is nobody: choose another name', {
      surfaceCode: 'UNSUPPORTED',
    });
  await call.accounts.register({
    handle: username,
    password,
    ...(invitation === undefined ? {} : { invitation }),
  });
  return empty(201);
}

/** `GET repo`: all public repositories, and what else the caller may pull. */
export async function listRepo(call: Call, view: StateView): Promise<HttpAnswer> {
  const actor = requireCaller(call, view, 'read');
  const names = [...(await call.summaries()).map(({ name }) => name), ...privateNamesFor(actor, view)].sort();
  const data = [];
  for (const name of names) {
    const of = view.package('oci', name);
    if (of) data.push(await describe(call, of));
  }
  return json(200, { data });
}

async function describe(call: Call, of: Package): Promise<object> {
  const slash = of.name.indexOf('/');
  const tags = [...of.refs].sort(([, a], [, b]) => (a.setAt < b.setAt ? 1 : a.setAt > b.setAt ? -1 : 0));
  // `latest` before all others, then the newest.
  const names = tags.map(([tag]) => tag).sort((a, b) => Number(b === 'latest') - Number(a === 'latest'));
  const [first] = names;
  const target = first === undefined ? undefined : of.releases.get(of.refs.get(first)?.target ?? '');
  const shown = target && (await call.hydrate({ ...of, releases: new Map([[target.version, target]]) }));
  const release = shown?.releases.values().next().value;
  const size =
    release && metaOf(release).blobs.reduce((sum, [, bytes]) => sum + bytes, manifestArtifact(release).size);
  return {
    namespace: namespaceOf(of.name),
    name: slash === -1 ? of.name : of.name.slice(slash + 1),
    is_public: of.visibility === 'public',
    tags: names,
    ...(first === undefined ? {} : { size_tag: first, size_bytes: size }),
    last_pushed_at: of.changedAt,
  };
}

/** `PUT {namespace}/{repo}/visibility`, and `{namespace}/visibility` of a repository whose name has one part */
export async function putVisibility(call: Call, view: StateView): Promise<Intent> {
  const actor = requireCaller(call, view, 'owner');
  const name = repositoryIn(call);
  const { visibility } = await readFields(call, ['visibility'], []);
  if (visibility !== 'public' && visibility !== 'private')
    throw new RegistryError('bad-request', `visibility ${JSON.stringify(visibility)}: use public or private`);
  return {
    actor,
    plan: () => [{ kind: 'set-visibility', ecosystem: 'oci', name, visibility }],
    answer(_events, seen) {
      if (seen === 'visible') return empty(200);
      // What is promised here is that nobody can read it any more, or that everybody can: it has not happened yet.
      throw new RegistryError(
        'storage-failed',
        `recorded: ${name} is ${visibility} from now on. The public site has not followed yet; look again before you rely on it`,
      );
    },
  };
}

/** `GET {namespace}/-/members` */
export async function listMembers(call: Call, view: StateView): Promise<HttpAnswer> {
  const { owners, members } = requireOwned(call, view).namespace;
  const listed = [...members].map(([username, access]) => ({ username, access }));
  return json(200, { owners, members: listed });
}

/** `PUT {namespace}/-/members/{handle}` */
export async function putMember(call: Call, view: StateView): Promise<Intent> {
  const { actor, of } = requireOwned(call, view);
  const { access } = await readFields(call, ['access'], []);
  if (access !== 'read' && access !== 'write')
    throw new RegistryError('bad-request', `access ${JSON.stringify(access)}: use read or write`);
  return {
    actor,
    plan: () => [{ kind: 'set-member', ...of, member: memberIn(call), access }],
    answer: () => empty(200),
  };
}

/** `DELETE {namespace}/-/members/{handle}` */
export async function deleteMember(call: Call, view: StateView): Promise<Intent> {
  const { actor, of } = requireOwned(call, view);
  return {
    actor,
    plan: () => [{ kind: 'remove-member', ...of, member: memberIn(call) }],
    answer: () => empty(200),
  };
}

interface Owned {
  readonly actor: Actor;
  readonly namespace: Namespace;
  /** As commands name it. */
  readonly of: { readonly ecosystem: 'oci'; readonly name: string; readonly of: 'namespace' };
}

/**
 * Who is asking, and the namespace, which they own. To all others it makes no difference whether there is one: what is in it may all
 * be private.
 */
function requireOwned(call: Call, view: StateView): Owned {
  const { namespace: name = '' } = call.params;
  const actor = requireCaller(call, view, 'owner', { ecosystem: 'oci', name, namespace: name });
  const namespace = view.namespace('oci', name);
  const isFor = isAdministrator(actor) || (namespace ? isOwnerOf(namespace, actor) : name === actor.handle);
  if (!isFor) throw new RegistryError('not-owner', `${actor.handle} does not own ${quoted(name)}`);
  if (namespace) return { actor, namespace, of: { ecosystem: 'oci', name, of: 'namespace' } };
  throw new RegistryError('package-not-found', `nothing has been pushed below ${quoted(name)} yet`);
}

function memberIn({ params }: Call): string {
  return params['handle'] ?? '';
}

function repositoryIn({ params }: Call): string {
  const { namespace = '', repo } = params;
  return checkName(repo === undefined ? namespace : `${namespace}/${repo}`);
}

/** Here a token has to be one that was asked for without a scope, or a password or a token of the registry's own. */
function requireCaller(call: Call, view: StateView, scope: 'read' | 'owner', place?: Place): Actor {
  const actor = identify(call, view);
  if (!actor || actor.handle === 'anonymous') throw challenge(view, 'say who you are');
  const access = call.access();
  if (access && !actor.scopes.has(scope))
    throw challenge(view, 'this token is for pulling and pushing: ask for one without a scope', {
      error: 'insufficient_scope',
    });
  return requireScope(actor, scope, place);
}

type Fields<R extends string, O extends string> = Readonly<Record<R, string>> &
  Readonly<Partial<Record<O, string>>>;

async function readFields<R extends string, O extends string>(
  call: Call,
  required: readonly R[],
  optional: readonly O[],
): Promise<Fields<R, O>> {
  const body = await call.readJson({ maxBytes: MAX_BODY_BYTES });
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RegistryError('bad-request', 'send a JSON object');
  const given = body as Readonly<Record<string, unknown>>;
  for (const field of required)
    if (typeof given[field] !== 'string') throw new RegistryError('bad-request', `${field} must be a text`);
  for (const field of optional)
    if (given[field] !== undefined && typeof given[field] !== 'string')
      throw new RegistryError('bad-request', `${field} must be a text`);
  return given as Fields<R, O>;
}
