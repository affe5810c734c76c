import { isIP } from 'node:net';

/** Judges the Host header of a request. */
export type HostJudge = (host: string | undefined) => boolean;

/** Whether an entry of the option `hosts` can match a Host header: a name or an address, without scheme, port and path. */
export function isHostEntry(text: string): boolean {
  return canonicalHost(text) !== null && (isIP(text) === 6 || /^\[[^\]]*\]$/.test(text) || !text.includes(':'));
}

/**
 * A judge for whether a server answers to the name in a Host header, in any spelling of case, port and dot at the end. A page that was
 * loaded from a name of an attacker, which then points to this server, still sends that name (DNS rebinding).
 * @param hosts Empty: every name.
 */
export function hostJudge(hosts: readonly string[]): HostJudge {
  if (hosts.length === 0) return () => true;
  const names = new Set(hosts.map(canonicalHost));
  return host => host !== undefined && names.has(canonicalHost(host) ?? '');
}

/** Whether a Host header holds an address, or `localhost`: no name that an attacker could point somewhere. */
export function cannotBeRebound(host: string | undefined): boolean {
  const name = canonicalHost(host ?? '');
  return name !== null && (name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0);
}

/** A name or an address without its port, in the form of `URL.hostname`; null for any other text. */
function canonicalHost(text: string): string | null {
  const bracketed = isIP(text) === 6 ? `[${text}]` : text;
  if (bracketed === '' || /[/?#@\s,\\*\p{Cc}]/u.test(bracketed) || !URL.canParse(`http://${bracketed}`)) return null;
  return new URL(`http://${bracketed}`).hostname.replace(/\.$/, '') || null;
}
