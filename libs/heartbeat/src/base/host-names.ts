import { isIP } from 'node:net';

/** Whether a Host header names this server. */
export type HostJudge = (host: string | undefined) => boolean;

/** Whether an entry of the option `hosts` can match a Host header: a name or an address without scheme, port and path. */
export function isHostEntry(text: string): boolean {
  return canonicalHost(text) !== null && (isIP(text) === 6 || /^\[[^\]]*\]$/.test(text) || !text.includes(':'));
}

/**
 * Creates a check of whether a Host header names this server. Case, port and a trailing dot do not matter. The check prevents DNS
 * rebinding: an attacker's name that is changed to point to this server still appears in the Host header.
 * @param hosts Empty: every name.
 */
export function hostJudge(hosts: readonly string[]): HostJudge {
  if (hosts.length === 0) return () => true;
  const names = new Set(hosts.map(canonicalHost));
  return host => host !== undefined && names.has(canonicalHost(host) ?? '');
}

/** Whether a Host header holds an address or `localhost`, which an attacker cannot point to another server. */
export function cannotBeRebound(host: string | undefined): boolean {
  const name = canonicalHost(host ?? '');
  return name !== null && (name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0);
}

/** A name or an address without its port, in the form of `URL.hostname`. Returns null for any other text. */
function canonicalHost(text: string): string | null {
  const bracketed = isIP(text) === 6 ? `[${text}]` : text;
  if (bracketed === '' || /[/?#@\s,\\*\p{Cc}]/u.test(bracketed) || !URL.canParse(`http://${bracketed}`)) return null;
  return new URL(`http://${bracketed}`).hostname.replace(/\.$/, '') || null;
}
