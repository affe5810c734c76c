import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

import { plainAddress } from '../network-address.js';
import { ownCopy } from '../own-copy.js';

/** Whether an address is one of the proxies whose headers are believed. */
export type IsTrusted = (address: string) => boolean;

/**
 * The client's address. It is the socket's, unless that belongs to a trusted proxy: then the right-most hop of its header that
 * is not trusted. Hops further left were written by whoever that is, and are worth nothing. A hop that is no address counts as
 * not trusted, and the proxy that reported it is taken.
 */
export function clientAddress(request: IncomingMessage, isTrusted: IsTrusted): string {
  let address = peerAddress(request);
  if (!isTrusted(address)) return address;
  for (const hop of hopsOf(request)) {
    if (!isTrusted(address)) return address;
    const next = addressOfHop(hop);
    if (next === null) return address;
    address = next;
  }
  return address;
}

/** The address at the other end of the socket: the client's, or its nearest proxy's. */
function peerAddress({ socket }: IncomingMessage): string {
  return plainAddress(socket.remoteAddress ?? '');
}

/** Whether a proxy has added its header. */
export function hasProxyHeader({ headers }: IncomingMessage): boolean {
  return headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
}

/** The hops as the proxies wrote them, the nearest first; `Forwarded` (RFC 7239) only where there is no `X-Forwarded-For`. */
function hopsOf({ headers }: IncomingMessage): string[] {
  const list = headers['x-forwarded-for'];
  if (list !== undefined) return String(list).split(',').toReversed();
  if (headers.forwarded === undefined) return [];
  return splitFromTheRight(headers.forwarded, ',').map(hop => {
    const pair = splitFromTheRight(hop, ';').find(text => /^\s*for\s*=/i.test(text)) ?? '';
    const value = pair.slice(pair.indexOf('=') + 1).trim();
    return value.startsWith('"') ? value.slice(1, -1) : value;
  });
}

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` and `[::1]:80` as an address; null for anything else. */
function addressOfHop(hop: string): string | null {
  const text = hop.trim();
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? null : plainAddress(ownCopy(bare));
}

/**
 * The items of a list, the last first; what stands in quotes (RFC 7230, section 3.2.6) separates nothing. It is read from the
 * right, where our own proxy has written: a quote that the client left open further left cannot swallow what came after it.
 * One pass, whatever a stranger wrote.
 */
function splitFromTheRight(text: string, separator: ',' | ';'): string[] {
  const items: string[] = [];
  let end = text.length;
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    if (text[at] === '"') {
      let backslashes = 0;
      while (text[at - 1 - backslashes] === '\\') backslashes++;
      if (backslashes % 2 === 0) isQuoted = !isQuoted;
      at -= backslashes;
    } else if (text[at] === separator && !isQuoted) {
      items.push(text.slice(at + 1, end));
      end = at;
    }
  }
  return [...items, text.slice(0, end)];
}
