/** The result of the Origin check. */
export type OriginVerdict = 'allowed' | 'refused';

/** Checks the Origin and Host headers of an upgrade. */
export type OriginJudge = (origin: string | undefined, host: string | undefined) => OriginVerdict;

/** The origin of pages without an origin of their own: sandboxed frames, most file pages, redirects between sites. */
export const OPAQUE = 'null';

/** Scheme, host and port only. The host is empty for some schemes of applications (`file://`). */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s,\\*\p{Cc}]*$/iu;
const WILDCARD = /^([a-z][a-z0-9+.-]*:\/\/)\*\.([^*]+)$/i;

/**
 * An origin in the canonical form that is compared: lower case, punycode, no default port. Schemes of applications are supported
 * (`capacitor://localhost`, `app://obsidian.md`). Returns null for a text that is not an origin, such as a URL with a path, and for lists.
 */
export function canonicalOrigin(text: string): string | null {
  if (text === OPAQUE) return OPAQUE;
  if (!ORIGIN.test(text) || !URL.canParse(text)) return null;
  const { origin, protocol, host } = new URL(text);
  // URL returns an origin only for schemes of the web.
  return origin === 'null' ? `${protocol}//${host.toLowerCase()}` : origin;
}

/** Whether an entry of the option `origins` can match any origin. */
export function isOriginEntry(text: string): boolean {
  return text === '*' || canonicalOrigin(text) !== null || wildcardOf(text) !== null;
}

/**
 * Creates a check of whether a browser page of an origin may open a connection (RFC 6455, section 10.2). A client without an Origin header
 * is not a browser and passes: a browser always sends the header, and any other client can send any value.
 * @param allowed `same-host`: the origin must name the requested host, by host and port; the scheme is unknown behind a TLS proxy. A list:
 * these origins. In a list, `https://*.example.com` matches each subdomain of one label, `null` matches pages of opaque origin, `*` matches
 * all.
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
 * `https://*.example.com` as a match of canonical origins. Returns null for a text that is not such a pattern. The wildcard stands for one
 * whole label, as in a certificate (RFC 9525, section 6.3). A pattern for a whole top-level domain, or for addresses, is not accepted.
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

/** A name of at least two labels, or `localhost`; not an address. */
function isDomain(host: string): boolean {
  const labels = host.split('.');
  const last = labels.at(-1) ?? '';
  if (labels.includes('') || /[[\]:]/.test(host) || /^\d+$/.test(last)) return false;
  return labels.length >= 2 || host === 'localhost';
}

/** Whether both have the same spelling, as in nearly all requests. This saves parsing, which costs several times as much. */
function isOriginOf(host: string | undefined, origin: string): boolean {
  if (host === undefined || !/^[\w.-]+(?::\d+)?$/.test(host)) return false;
  return origin === `https://${host}` || origin === `http://${host}`;
}

/** Whether an origin of the web names this Host header, regardless of spelling. A port may be left out where the scheme has a default. */
function namesHost(origin: string, host: string | undefined): boolean {
  const canonical = canonicalOrigin(origin);
  if (canonical === null || canonical === OPAQUE || host === undefined) return false;
  const { protocol, host: named, origin: known } = new URL(canonical);
  if (known === 'null' || /[/?#@\s,\\]/.test(host) || !URL.canParse(`${protocol}//${host}`)) return false;
  return new URL(`${protocol}//${host}`).host === named;
}
