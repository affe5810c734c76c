/** Maximum length of a text whose length a peer decides. */
const MAX_SHOWN = 500;

/**
 * Controls (C0, C1, ESC), line and paragraph separators, and all characters without a visible form: bidirectional controls, zero-width
 * characters, lone surrogates, private and unassigned characters. Each can end a line, control a terminal or make a text appear as another
 * one.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A text of a peer, an application or an operator in a form that is safe in a log line: on one line, unsafe characters as escapes (`\n`,
 * `\x1b`, `\u202e`, `\u{e0001}`), cut after `maxLength` characters.
 * @param maxLength Default: 500.
 */
export function printable(text: string, maxLength = MAX_SHOWN): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return shown.replaceAll(UNSAFE, escaped);
}

function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, '0')}` : `\\u{${digits}}`;
}
