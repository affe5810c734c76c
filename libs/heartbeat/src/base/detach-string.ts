/**
 * The same text in memory of its own. V8 makes a piece of a text by pointing into the whole, so who keeps a few characters of a
 * header keeps all of it, and how long that is its sender decides. For texts of requests: one byte for each character.
 */
export function detachString(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
