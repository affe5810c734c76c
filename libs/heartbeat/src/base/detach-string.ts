/**
 * Copies a text into memory of its own. V8 represents a slice of a text by a reference to the whole text: a stored slice of a header keeps
 * the whole header, and its sender decides how long that is. For texts of requests: one byte for each character.
 */
export function detachString(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
