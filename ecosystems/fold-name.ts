/** As disks compare that do not tell case, nearly enough. */
export function foldName(path: string): string {
  // Most are, and normalising costs.
  if (/^[\x00-\x7f]*$/.test(path)) return path.toLowerCase();
  // Up first: letters such as sigma have two small forms.
  return path.toUpperCase().toLowerCase().normalize('NFC');
}
