/** Longer texts have a header of another length. */
const MAX_BYTES = 0xffff;
const LONG_FROM = 126;
/** FIN and the opcode of a text: RFC 6455, section 5.2. */
const TEXT = '\x81';
/** The header of each short text. */
const HEADERS: readonly string[] = Array.from({ length: LONG_FROM }, (_, bytes) => TEXT + String.fromCharCode(bytes));

/**
 * The unmasked frame of a text, as a string with one character for each byte (`latin1`), so that Node writes header and payload in one
 * piece without a buffer. Null for a long text.
 */
export function textFrame(text: string): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) return null;
  const header = bytes < LONG_FROM ? HEADERS[bytes]! : TEXT + String.fromCharCode(LONG_FROM, bytes >>> 8, bytes & 0xff);
  // A text of ASCII characters is its own encoding.
  return header + (bytes === text.length ? text : Buffer.from(text).toString('latin1'));
}
