/** Whom the owners of a package or namespace let in: to read what is private there, or to publish as well. */
import { RegistryError } from '../core/errors.ts';
import type { MemberAccess, Namespace, Package } from '../core/package.ts';
import type { StateView } from '../core/state.ts';
import { ecosystems } from '../ecosystems/index.ts';
import type { EcosystemId } from '../schema/types.ts';
import { requireRegistry, withControl } from './control.ts';
import { readRegistry } from './open-registry.ts';
import { parseSubject } from './package-argument.ts';

interface Output {
  readonly json?: boolean;
}

export async function setMember(
  dataDirectory: string,
  text: string,
  member: string,
  { access, json }: Output & { readonly access: MemberAccess },
): Promise<void> {
  const subject = parseSubject(text);
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'set-member', ...subject, member, access }]),
  );
  const may = access === 'write' ? 'may read and write' : 'may read';
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(`${member} ${may} ${text}${events.length === 0 ? ' already' : ''}`);
}

export async function removeMember(
  dataDirectory: string,
  text: string,
  member: string,
  { json }: Output,
): Promise<void> {
  const subject = parseSubject(text);
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'remove-member', ...subject, member }]),
  );
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(`removed ${member} from ${text}`);
}

/** Prints the members of a package and of the namespace that it is in, or of a namespace; and where each is one. */
export async function listMembers(dataDirectory: string, text: string, { json }: Output): Promise<void> {
  requireRegistry(dataDirectory);
  const { ecosystem, name, of } = parseSubject(text);
  const registry = await readRegistry(dataDirectory);
  try {
    const places = of
      ? [registry.state.namespace(ecosystem, name)]
      : placesOf(ecosystem, name, registry.state);
    if (places[0]?.name !== name)
      throw new RegistryError(
        'package-not-found',
        of ? `nobody has claimed ${text}` : `no package ${text} in this registry`,
      );
    for (const place of places) if (place) for (const line of linesOf(place, json)) console.log(line);
  } finally {
    await registry.close();
  }
}

/** The package first, then what it is in. */
function placesOf(
  ecosystem: EcosystemId,
  name: string,
  state: StateView,
): (Package | Namespace | undefined)[] {
  const namespace = ecosystems[ecosystem].rules.namespaceOf?.(name);
  return [
    state.package(ecosystem, name),
    namespace === undefined ? undefined : state.namespace(ecosystem, namespace),
  ];
}

function linesOf(place: Package | Namespace, json = false): string[] {
  const { ecosystem, name, members } = place;
  const of = 'releases' in place ? {} : { of: 'namespace' };
  return [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([member, access]) =>
      json
        ? JSON.stringify({ ecosystem, name, ...of, member, access })
        : [member, access, `${ecosystem}/${name}`].join('  '),
    );
}
