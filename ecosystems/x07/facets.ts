/** Discovery facets of a package (contract, section 10.3). */
type Meta = Readonly<Record<string, unknown>>;

const families = [
  ['ext-db-', 'capability:database'],
  ['ext-msg-', 'capability:messaging'],
  ['ext-obj-', 'capability:object-store'],
] as const;
const bindings = ['postgres', 'redis', 'sqlite', 'amqp', 's3'];
const fields = [
  ['archetype', 'archetype:'],
  ['archetypes', 'archetype:'],
  ['binding', 'binding:'],
  ['bindings', 'binding:'],
  ['runtime', 'runtime:'],
  ['runtimes', 'runtime:'],
  ['trust_profile', 'trust:'],
  ['trust_profiles', 'trust:'],
  ['capability', 'capability:'],
  ['capabilities', 'capability:'],
] as const;

/** Sorted and unique. */
export function facetsOf(name: string, meta: Meta): string[] {
  const facets = new Set<string>();
  for (const [prefix, facet] of families)
    if (name.startsWith(prefix) || name.startsWith(`x07-${prefix}`)) facets.add(facet);
  for (const binding of bindings) if (name.includes(binding)) facets.add(`binding:${binding}`);
  for (const value of textsOf(meta['facets'])) facets.add(value);
  for (const [field, prefix] of fields) for (const value of textsOf(meta[field])) facets.add(prefix + value);
  return [...facets].sort();
}

function textsOf(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((text) =>
    typeof text === 'string' && text.trim() !== '' ? [text.trim().toLowerCase()] : [],
  );
}
