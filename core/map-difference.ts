/** What changed between two maps, one of which came of the other: values keep their identity where nothing changed. */

export interface MapDifference {
  /** Keys whose value was another, or is gone; in no order. */
  readonly before: readonly string[];
  /** Keys whose value is another, or is new; in their order after. */
  readonly after: readonly string[];
}

const none: MapDifference = { before: [], after: [] };

/** Tens of thousands of entries take a millisecond to go over: they are gone over once, and again only where something is gone. */
export function mapDifference<V>(
  before: ReadonlyMap<string, V>,
  after: ReadonlyMap<string, V>,
): MapDifference {
  if (before === after) return none;
  const now: string[] = [];
  let same = 0;
  for (const [key, value] of after) {
    if (before.get(key) === value) same += 1;
    else now.push(key);
  }
  const changed = now.filter((key) => before.has(key));
  if (same + changed.length === before.size) return { before: changed, after: now };
  return { before: [...before.keys()].filter((key) => before.get(key) !== after.get(key)), after: now };
}
