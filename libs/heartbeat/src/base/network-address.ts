import { isIP } from 'node:net';

import { networkBits, networkText } from './address-bits.js';
import { NetworkTable } from './network-table.js';

/** A quick test: no IPv6 address matches. */
const DIGITS_AND_DOTS = /^[\d.]+$/;
/** IPv4 addresses as a dual-stack socket reports them. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** The address of every peer of a Unix socket. */
export const UNIX_PEER = 'unix:';

/**
 * An address in its canonical form (RFC 5952), in which addresses are compared: lower case, no leading zeros, the longest run of zeros as
 * `::`, no zone. An IPv4-mapped IPv6 address becomes IPv4. A text that is not an address is returned as it is.
 */
export function plainAddress(address: string): string {
  if (DIGITS_AND_DOTS.test(address) || isIP(address) !== 6) return address;
  // The URL standard writes addresses as RFC 5952 does, except for mapped ones, which it writes in hexadecimal.
  const bare = new URL(`http://[${address.replace(/%.*$/s, '')}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(bare) ?? [];
  if (high === undefined || low === undefined) return bare;
  const bytes = [high, low].map(group => Number.parseInt(group, 16)).flatMap(group => [group >> 8, group & 255]);
  return bytes.join('.');
}

/** Whether a text is an address or a CIDR. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32);
}

/** Whether a text identifies a proxy: an address, a CIDR, or the peers of a Unix socket. */
export function isTrustedProxy(text: string): boolean {
  return text === UNIX_PEER || isNetwork(text);
}

/**
 * Creates a check of whether an address is in one of `networks` (addresses and CIDRs), which are parsed once. An IPv6 network contains IPv4
 * addresses only within `::ffff:0:0/96`; `::/0` is IPv6 only.
 */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const table = new NetworkTable<true>();
  for (const network of networks) {
    const bits = networkBits(network);
    if (bits !== null) table.set(bits, true);
  }
  return address => table.find(address) !== undefined;
}

/**
 * The key under which limits count a client: its IPv4 address, or the network of `ipv6PrefixBits` that contains its IPv6 address, since one
 * host usually chooses its addresses from a whole /64.
 */
export function clientNetwork(address: string, ipv6PrefixBits: number): string {
  if (DIGITS_AND_DOTS.test(address) || isIP(address) !== 6) return address;
  const bits = toBits(address) >> BigInt(128 - ipv6PrefixBits);
  return `${bits.toString(16)}/${ipv6PrefixBits}`;
}

/** The key of a client as a text that a filter takes: `2001:db8::/64`. An IPv4 address, and any other text, is its own key. */
export function networkLabel(key: string): string {
  const [, digits, prefix] = /^([0-9a-f]+)\/(\d+)$/.exec(key) ?? [];
  if (digits === undefined) return key;
  const all = (BigInt(`0x${digits}`) << BigInt(128 - Number(prefix))).toString(16).padStart(32, '0');
  const groups = all.match(/.{8}/g)!.map(group => Number.parseInt(group, 16) | 0);
  return networkText({ family: 6, groups, prefix: Number(prefix) });
}

/** The 128 bits of an IPv6 address. */
function toBits(address: string): bigint {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text = dotted ? `${dotted[1]}${hexOf(dotted[2], dotted[3])}:${hexOf(dotted[4], dotted[5])}` : address;
  const [head = [], tail] = text.split('::').map(part => part.split(':').filter(Boolean));
  const groups = tail === undefined ? head : [...head, ...zeros(8 - head.length - tail.length), ...tail];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function hexOf(high?: string, low?: string): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}

function zeros(count: number): string[] {
  return Array.from({ length: count }, () => '0');
}
