/** What the Origin check found. */
export type OriginVerdict = 'allowed' | 'refused';

/** Judges the Origin and Host headers of an upgrade. */
export type OriginJudge = (origin: string | undefined, host: string | undefined) => OriginVerdict;

/** The origin of pages that have none of their own: sandboxed frames, most file pages, redirects between sites. */
export const OPAQUE = 'null';

/** Scheme, host and port and nothing more; the host is empty for some schemes of applications (`file://`). */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s,\\*\p{Cc}]*$/iu;
const WILDCARD = /^([a-z][a-z0-9+.-]*:\/\/)\*\.([^*]+)$/i;

/**
 * An origin in the one form that is compared: lower case, punycode, no default port; also of a scheme that only an application
 * knows (`capacitor://localhost`, `app://obsidian.md`). Null for a text that is no origin, such as one with a path, and for lists.
 */
export function canonicalOrigin(text: string): string | null {
  if (text === OPAQUE) return OPAQUE;
  if (!ORIGIN.test(text) || !URL.canParse(text)) return null;
  const { origin, protocol, host } = new URL(text);
  // URL knows origins of the schemes of the web only.
  return origin === 'null' ? `${protocol}//${host.toLowerCase()}` : origin;
}

/** Whether an entry of the option `origins` can allow an origin at all. */
export function isOriginEntry(text: string): boolean {
  return text === '*' || canonicalOrigin(text) !== null || wildcardOf(text) !== null;
}

/**
 * A judge for whether a browser page of an origin may open a connection here (RFC 6455, section 10.2). A client without an Origin
 * header is no browser and passes: a browser cannot leave it out, anything else could write what it likes.
 * @param allowed `same-host`: the origin must name the host that is requested, by host and port, since behind a TLS proxy the scheme
 * is lost. A list: these origins; `https://*.example.com` each subdomain of one label, `null` pages of opaque origin, `*` all.
 */
export function originJudge(allowed: 'same-host' | readonly string[]): OriginJudge {
  if (allowed === 'same-host') {
    return (origin, host) => {
      return origin === undefined || isOriginOf(host, origin) || namesHost(origin, host) ? 'allowed' : 'refused';
    };
  }
  if (allowed.includes('*')) return () => 'allowed';
  const exact = new Set(allowed.map(canonicalOrigin).filter(entry => entry !== null));
  const wildcards = allowed.map(wildcardOf).filter(entry => entry !== null);
  return origin => {
    if (origin === undefined || exact.has(origin)) return 'allowed';
    const canonical = canonicalOrigin(origin);
    if (canonical === null) return 'refused';
    return exact.has(canonical) || wildcards.some(matches => matches(canonical)) ? 'allowed' : 'refused';
  };
}

/**
 * `https://*.example.com` as a match of canonical origins; null for a text that is no such pattern. The wildcard stands for one whole
 * label, as in a certificate (RFC 9525, section 6.3). A pattern for a whole top-level domain, or for addresses, is none.
 */
function wildcardOf(text: string): ((canonical: string) => boolean) | null {
  const [, scheme = '', rest = ''] = WILDCARD.exec(text) ?? [];
  const parent = canonicalOrigin(scheme + rest);
  if (parent === null) return null;
  const start = parent.indexOf('//') + 2;
  const host = parent.slice(start);
  if (!isDomain(host.replace(/:\d+$/, ''))) return null;
  const prefix = parent.slice(0, start);
  const suffix = `.${host}`;
  return canonical => {
    if (!canonical.startsWith(prefix) || !canonical.endsWith(suffix)) return false;
    return /^[^.:]+$/.test(canonical.slice(start, -suffix.length));
  };
}

/** A name of at least two labels, or `localhost`; no address. */
function isDomain(host: string): boolean {
  const labels = host.split('.');
  const last = labels.at(-1) ?? '';
  if (labels.includes('') || /[[\]:]/.test(host) || /^\d+$/.test(last)) return false;
  return labels.length >= 2 || host === 'localhost';
}

/** Whether both are spelled alike, as nearly always: then nothing has to be parsed, which costs several times as much. */
function isOriginOf(host: string | undefined, origin: string): boolean {
  if (host === undefined || !/^[\w.-]+(?::\d+)?$/.test(host)) return false;
  return origin === `https://${host}` || origin === `http://${host}`;
}

/** Whether an origin of the web names this Host header, whatever the spelling; ports may be left out where the scheme has a default. */
function namesHost(origin: string, host: string | undefined): boolean {
  const canonical = canonicalOrigin(origin);
  if (canonical === null || canonical === OPAQUE || host === undefined) return false;
  const { protocol, host: named, origin: known } = new URL(canonical);
  if (known === 'null' || /[/?#@\s,\\]/.test(host) || !URL.canParse(`${protocol}//${host}`)) return false;
  return new URL(`${protocol}//${host}`).host === named;
}
