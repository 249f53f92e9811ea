/** A text within an HTML element, or within quotes of an attribute. */
export function escapedHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
