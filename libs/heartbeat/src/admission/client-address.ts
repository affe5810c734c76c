import type { IncomingMessage } from 'node:http';
import { isIP, type Server, type Socket } from 'node:net';

import { plainAddress, UNIX_PEER } from '../base/network-address.js';
import { detachString } from '../base/detach-string.js';

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
    // nginx names a peer of a Unix socket so; without trust in it, it is no address like any other text.
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

/** Servers that listen on a Unix socket; a server that has closed can no longer be asked. */
const unixServers = new WeakMap<Server, boolean>();

/** A TCP socket has no address either once its peer has reset it: only its server tells them apart. */
function isUnixSocket(socket: Socket): boolean {
  const { server } = socket as { readonly server?: Server };
  if (server === undefined) return false;
  const known = unixServers.get(server);
  if (known !== undefined) return known;
  const bound = server.address();
  if (bound === null && !server.listening) return false;
  // A file descriptor that was inherited (systemd) has no path that could be asked for.
  const isUnix = bound === null || typeof bound === 'string';
  unixServers.set(server, isUnix);
  return isUnix;
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
  return isIP(bare) === 0 ? null : plainAddress(detachString(bare));
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
