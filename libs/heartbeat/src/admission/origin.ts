/** What the Origin check found. */
export type OriginVerdict = 'allowed' | 'refused';

/**
 * Whether a browser page of this origin may open a connection here (RFC 6455, section 10.2). A client without an Origin
 * header is no browser and passes: a browser cannot leave it out, anything else could write what it likes.
 * @param allowed `same-host`: the origin must name the host that is asked for, by host and port, since behind a TLS proxy
 * the scheme is lost. A list: exact matches only; `*` in it lets all in.
 */
export function judgeOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: 'same-host' | readonly string[],
): OriginVerdict {
  if (origin === undefined || allowed.includes('*')) return 'allowed';
  if (allowed !== 'same-host' && allowed.includes(origin)) return 'allowed';
  if (allowed === 'same-host' && isOriginOf(host, origin)) return 'allowed';
  const parsed = parseOrigin(origin);
  if (parsed === null) return 'refused';
  if (allowed !== 'same-host') return allowed.includes(parsed.origin) ? 'allowed' : 'refused';
  return parsed.host === hostOf(host, parsed.protocol) ? 'allowed' : 'refused';
}

/** Whether both are spelled alike, as nearly always: then nothing has to be parsed, which costs several times as much. */
function isOriginOf(host: string | undefined, origin: string): boolean {
  if (host === undefined || !/^[\w.-]+(?::\d+)?$/.test(host)) return false;
  return origin === `https://${host}` || origin === `http://${host}`;
}

/** An origin is scheme, host and port and nothing more; `null`, lists and paths are none. */
function parseOrigin(text: string): URL | null {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s,\\]+$/i.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.origin === 'null' ? null : url;
}

/** The Host header in the form of `URL.host`: lower case, and without the port that the origin's scheme has by default. */
function hostOf(host: string | undefined, protocol: string): string | null {
  if (host === undefined || /[/?#@\s,\\]/.test(host) || !URL.canParse(`${protocol}//${host}`)) return null;
  return new URL(`${protocol}//${host}`).host;
}
