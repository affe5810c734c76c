/** Characters that need no percent-encoding (RFC 3986, section 2.3). */
const UNRESERVED = /[\w.~-]/;

/** One spelling for all equivalent paths (RFC 3986, section 6.2.2). Returns null for a text that is not a path. */
export function canonicalPath(path: string): string | null {
  const url = `http://localhost${path}`;
  if (!path.startsWith('/') || !URL.canParse(url)) return null;
  return new URL(url).pathname.replace(/%[\da-f]{2}/gi, code => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return UNRESERVED.test(character) ? character : code.toUpperCase();
  });
}

/** A path without its trailing slash, except for `/` itself. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/$/, '');
}

/** A part of a path in the same form. Its slashes stay; it must not be a segment `.` or `..`. */
export function canonicalPart(text: string): string {
  return canonicalPath(`/x${text}x`)?.slice(2, -1) ?? text;
}
