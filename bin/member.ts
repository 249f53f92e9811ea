/** Whom the owners of a package or namespace let in: to read what is private there, or to publish as well. */
import { RegistryError } from '../core/errors.ts';
import type { MemberAccess, Ownership } from '../core/package.ts';
import { ecosystems } from '../ecosystems/index.ts';
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
  const subject = parseSubject(text);
  const { ecosystem, name } = subject;
  const registry = await readRegistry(dataDirectory);
  try {
    const print = (of: Ownership | undefined, place: { name: string; of?: 'namespace' }): void => {
      for (const [member, access] of [...(of?.members ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
        console.log(
          json
            ? JSON.stringify({ ecosystem, ...place, member, access })
            : [member, access, `${ecosystem}/${place.name}`].join('  '),
        );
    };
    const { state } = registry;
    const found = subject.of ? state.namespace(ecosystem, name) : state.package(ecosystem, name);
    if (found?.name !== name)
      throw new RegistryError(
        'package-not-found',
        subject.of ? `nobody has claimed ${text}` : `no package ${text} in this registry`,
      );
    print(found, { name, ...(subject.of ? { of: subject.of } : {}) });
    const namespace = subject.of ? undefined : ecosystems[ecosystem].rules.namespaceOf?.(name);
    if (namespace !== undefined)
      print(state.namespace(ecosystem, namespace), { name: namespace, of: 'namespace' });
  } finally {
    await registry.close();
  }
}
