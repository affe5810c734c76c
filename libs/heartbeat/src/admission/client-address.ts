import type { IncomingMessage } from 'node:http';
import { isIP, type Server, type Socket } from 'node:net';

import { plainAddress, UNIX_PEER } from '../base/network-address.js';
import { detachString } from '../base/detach-string.js';

/** Whether an address belongs to a proxy whose headers are trusted. */
export type IsTrusted = (address: string) => boolean;

/**
 * The client's address. It is the socket's, unless that belongs to a trusted proxy: then it is the right-most hop of the proxy's header
 * that is not trusted. An untrusted party wrote the hops further left, so they are ignored. A hop that is not an address counts as not
 * trusted, and the proxy that reported it is returned.
 */
export function clientAddress(request: IncomingMessage, isTrusted: IsTrusted): string {
  let address = peerAddress(request);
  if (!isTrusted(address)) return address;
  for (const hop of hopsOf(request)) {
    if (!isTrusted(address)) return address;
    // nginx writes `unix:` for a peer of a Unix socket. Without trust in it, it is handled like any text that is not an address.
    const next = hop.trim() === UNIX_PEER && isTrusted(UNIX_PEER) ? UNIX_PEER : addressOfHop(hop);
    if (next === null) return address;
    address = next;
  }
  return address;
}

/** The address at the other end of the socket: the client's, or its nearest proxy's; `unix:` for a Unix socket. */
export function peerAddress({ socket }: IncomingMessage): string {
  const { remoteAddress } = socket;
  if (remoteAddress === undefined) return isUnixSocket(socket) ? UNIX_PEER : '';
  return plainAddress(remoteAddress);
}

/** Known servers, and whether they listen on a Unix socket. A closed server no longer reports its address. */
const unixServers = new WeakMap<Server, boolean>();

/**
 * Distinguishes a Unix socket from a TCP socket that its peer has reset, which has no address either. Only the server has that information.
 */
function isUnixSocket(socket: Socket): boolean {
  const { server } = socket as { readonly server?: Server };
  if (server === undefined) return false;
  const known = unixServers.get(server);
  if (known !== undefined) return known;
  const bound = server.address();
  if (bound === null && !server.listening) return false;
  // An inherited file descriptor (systemd) has no path.
  const isUnix = bound === null || typeof bound === 'string';
  unixServers.set(server, isUnix);
  return isUnix;
}

/** Whether a proxy has added its header. */
export function hasProxyHeader({ headers }: IncomingMessage): boolean {
  return headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
}

/** The hops as the proxies wrote them, the nearest first. `Forwarded` (RFC 7239) is used only without `X-Forwarded-For`. */
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

/** Parses `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` and `[::1]:80`. Returns null for any other text. */
function addressOfHop(hop: string): string | null {
  const text = hop.trim();
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? null : plainAddress(detachString(bare));
}

/**
 * The items of a list, the last first. A separator within quotes (RFC 7230, section 3.2.6) does not count. The list is read from the right,
 * where the own proxy wrote: a quote that the client left open further left cannot hide later items. One pass for any input.
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
