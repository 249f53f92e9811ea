/** What was sent, shortened, for a message. */
export function quote(value: unknown): string {
  // Not written out: it may be nested deeper than our stack.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
