import { RegistryError } from '../core/errors.ts';
import type { EcosystemId } from '../schema/types.ts';
import { ecosystems } from '../ecosystems/index.ts';

/** `x07/acme-hello`: the ecosystem ends at the first slash, as in the log. @throws RegistryError */
export function parsePackage(text: string): { ecosystem: EcosystemId; name: string } {
  const slash = text.indexOf('/');
  const ecosystem = text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (slash < 1 || name === '' || !Object.hasOwn(ecosystems, ecosystem))
    throw new RegistryError(
      'bad-request',
      `${text}: name the ecosystem and the package, such as ${Object.keys(ecosystems)[0]}/acme-hello`,
    );
  return { ecosystem: ecosystem as EcosystemId, name };
}

/** `npm/@acme/lib`, or `npm/@acme` for the namespace. @throws RegistryError `bad-request` for what can be neither. */
export function parseSubject(text: string): { ecosystem: EcosystemId; name: string; of?: 'namespace' } {
  const { ecosystem, name } = parsePackage(text);
  const { isName, isNamespace } = ecosystems[ecosystem].rules;
  if (isNamespace?.(name)) return { ecosystem, name, of: 'namespace' };
  if (isName?.(name) ?? true) return { ecosystem, name };
  throw new RegistryError(
    'bad-request',
    `${JSON.stringify(name)} cannot be the name of ${isNamespace ? 'a package or a scope' : 'a package'} of ${ecosystem}`,
  );
}

/** `x07/acme-hello@1.0.0`: the version starts at the last `@`, because names may hold one. @throws RegistryError */
export function parseRelease(text: string): { ecosystem: EcosystemId; name: string; version: string } {
  const at = text.lastIndexOf('@');
  const version = text.slice(at + 1);
  if (at < 1 || version === '' || version.includes('/'))
    throw new RegistryError('bad-request', `${text}: name the version too, such as x07/acme-hello@1.0.0`);
  return { ...parsePackage(text.slice(0, at)), version };
}

/** A package, or one of its versions: `npm/@acme/lib`, `npm/@acme/lib@1.0.0`. @throws RegistryError */
export function parsePackageOrRelease(text: string): {
  ecosystem: EcosystemId;
  name: string;
  version?: string;
} {
  const at = text.lastIndexOf('@');
  // At the beginning of a part it belongs to the name.
  const isVersion = at > 0 && text[at - 1] !== '/' && !text.slice(at).includes('/');
  return isVersion ? parseRelease(text) : parsePackage(text);
}
