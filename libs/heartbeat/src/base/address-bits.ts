import { isIPv6 } from 'node:net';

/** An address or a CIDR as numbers, the network's host bits cleared. */
export interface NetworkBits {
  readonly family: 4 | 6;
  /** One group of 32 bits for IPv4, four for IPv6; as signed numbers, which V8 keeps without an allocation. */
  readonly groups: readonly number[];
  /** Length of the prefix; 32 or 128 for a single address. */
  readonly prefix: number;
}

/** Bits before the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2). */
const MAPPED_PREFIX = 96;

/** An IPv6 address as four groups of 32 bits. */
export type Ipv6Groups = readonly [number, number, number, number];

/** The 32 bits of an IPv4 address in dotted decimal. Returns null for any other text. */
export function ipv4Bits(text: string): number | null {
  return ipv4BitsFrom(text, 0, text.length);
}

/**
 * The groups of an IPv6 address, the same for every spelling of it. For an IPv4-mapped address (RFC 4291, section 2.5.5.2) only the IPv4
 * bits. A zone is ignored. Returns null for a text that is not an IPv6 address.
 */
export function ipv6Groups(text: string): Ipv6Groups | number | null {
  if (!isIPv6(text)) return null;
  const groups = groupsFrom(text);
  return isMapped(groups) ? groups[3] : groups;
}

/**
 * Parses an address or a CIDR. Returns null for a text that is neither. A CIDR within `::ffff:0:0/96` is the IPv4 network that it maps. Any
 * other IPv6 network, `::/0` included, contains no IPv4 address.
 */
export function networkBits(text: string): NetworkBits | null {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const digits = slash === -1 ? null : text.slice(slash + 1);
  if (digits !== null && !/^\d{1,3}$/.test(digits)) return null;
  const ipv4 = ipv4Bits(address);
  if (ipv4 !== null) {
    const prefix = digits === null ? 32 : Number(digits);
    return prefix > 32 ? null : { family: 4, groups: [masked(ipv4, prefix)], prefix };
  }
  if (!isIPv6(address)) return null;
  const prefix = digits === null ? 128 : Number(digits);
  if (prefix > 128) return null;
  const groups = groupsFrom(address);
  if (prefix >= MAPPED_PREFIX && isMapped(groups)) {
    const bits = prefix - MAPPED_PREFIX;
    return { family: 4, groups: [masked(groups[3], bits)], prefix: bits };
  }
  return { family: 6, groups: groups.map((group, place) => masked(group, prefix - place * 32)), prefix };
}

/** A network in one spelling, the same for all spellings of it: `10.0.0.0/8`, `2001:db8::/32`. A single address has no prefix. */
export function networkText({ family, groups, prefix }: NetworkBits): string {
  const [ipv4 = 0] = groups;
  if (family === 4) {
    const address = [ipv4 >>> 24, (ipv4 >>> 16) & 255, (ipv4 >>> 8) & 255, ipv4 & 255].join('.');
    return prefix === 32 ? address : `${address}/${prefix}`;
  }
  const words = groups.flatMap(group => [group >>> 16, group & 0xffff]);
  const address = compressed(words.map(word => word.toString(16)));
  return prefix === 128 ? address : `${address}/${prefix}`;
}

/** The first `bits` bits of a group of 32. Zero or less keeps no bit, 32 or more keeps all. */
export function masked(group: number, bits: number): number {
  if (bits >= 32) return group;
  return bits <= 0 ? 0 : group & (-1 << (32 - bits));
}

function isMapped(groups: Ipv6Groups): boolean {
  return groups[0] === 0 && groups[1] === 0 && groups[2] === 0xffff;
}

/** Parsed without a regular expression, since a filter compares thousands of addresses in one turn of the event loop. */
function ipv4BitsFrom(text: string, from: number, to: number): number | null {
  let [bits, byte, digits, dots] = [0, 0, 0, 0];
  for (let at = from; at <= to; at++) {
    const code = at === to ? DOT : text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || byte > 255) return null;
      bits = (bits << 8) | byte;
      dots++;
      byte = digits = 0;
    } else {
      // Some parsers read a leading zero as octal, so such a text is not an address (RFC 6943, section 3.1.1).
      const isDigit = code >= ZERO && code <= NINE && !(digits > 0 && byte === 0) && digits < 3;
      if (!isDigit) return null;
      byte = byte * 10 + code - ZERO;
      digits++;
    }
  }
  return dots === 4 ? bits : null;
}

/** The text must be an IPv6 address. */
function groupsFrom(address: string): Ipv6Groups {
  const words: number[] = [];
  let gap = -1;
  let word = 0;
  let start = 0;
  let hasDigits = false;
  for (let at = 0; at <= address.length; at++) {
    const code = at === address.length ? PERCENT : address.charCodeAt(at);
    if (code === COLON || code === PERCENT) {
      if (hasDigits) words.push(word);
      else if (code === COLON && at > 0) gap = words.length;
      if (code === PERCENT) break;
      word = 0;
      hasDigits = false;
      start = at + 1;
    } else if (code === DOT) {
      const zone = address.indexOf('%', at);
      const bits = ipv4BitsFrom(address, start, zone === -1 ? address.length : zone) ?? 0;
      words.push(bits >>> 16, bits & 0xffff);
      break;
    } else {
      word = word * 16 + digitOf(code);
      hasDigits = true;
    }
  }
  const missing = 8 - words.length;
  const wordAt = (place: number) => {
    if (gap === -1 || place < gap) return words[place] ?? 0;
    return place < gap + missing ? 0 : (words[place - missing] ?? 0);
  };
  const groupAt = (place: number) => (wordAt(place) << 16) | wordAt(place + 1);
  return [groupAt(0), groupAt(2), groupAt(4), groupAt(6)];
}

function digitOf(code: number): number {
  if (code <= NINE) return code - ZERO;
  return (code | 32) - LOWER_A + 10;
}

/** Writes the longest run of zeros as `::` (RFC 5952). */
function compressed(words: readonly string[]): string {
  let [best, length] = [-1, 1];
  for (let from = 0; from < words.length; from++) {
    let run = 0;
    while (words[from + run] === '0') run++;
    if (run > length) [best, length] = [from, run];
  }
  if (best === -1) return words.join(':');
  return `${words.slice(0, best).join(':')}::${words.slice(best + length).join(':')}`;
}

const ZERO = 48;
const NINE = 57;
const LOWER_A = 97;
const DOT = 46;
const COLON = 58;
const PERCENT = 37;
