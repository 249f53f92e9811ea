import { RegistryError } from '../core/errors.ts';
import { ecosystems } from '../ecosystems/index.ts';
import type { EcosystemId } from '../schema/types.ts';
import { withControl } from './control.ts';
import { parsePackage } from './package-argument.ts';

/** Gives a name or a scope its owner, as the operator, before anything is published there. */
export async function claim(
  dataDirectory: string,
  text: string,
  { owner, json }: { readonly owner: string; readonly json?: boolean },
): Promise<void> {
  const { ecosystem, name } = parsePackage(text);
  const of = subjectOf(ecosystem, name);
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'claim', ecosystem, name, owner, ...(of ? { of } : {}) }]),
  );
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(`claimed ${text} for ${owner}`);
}

/** @throws RegistryError `bad-request` for what can be neither. */
function subjectOf(ecosystem: EcosystemId, name: string): 'namespace' | undefined {
  const { isName, isNamespace } = ecosystems[ecosystem].rules;
  if (isNamespace?.(name)) return 'namespace';
  if (isName?.(name) ?? true) return undefined;
  throw new RegistryError(
    'bad-request',
    `${JSON.stringify(name)} cannot be the name of ${isNamespace ? 'a package or a scope' : 'a package'} of ${ecosystem}`,
  );
}
