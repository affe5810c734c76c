import type { IncomingMessage } from 'node:http';

import { pathOf } from './path-server.js';

/** Maximum length of a path. A connection keeps its path, and lists and messages between nodes contain it. */
export const MAX_PATH = 2048;

/** Sixteen bytes in base64 (RFC 6455, section 4.2.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** A host and an optional port (RFC 3986, section 3.2): a name, an IPv4 address, or an IP literal in brackets. */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-fv.:%~\w-]+\])(?::\d*)?$/i;

/**
 * The fault of an upgrade (RFC 6455, section 4.2.1; RFC 9112, section 3.2), checked before anything about its client; null without
 * one. Node checks the Host header of plain requests only.
 */
export function faultOfUpgrade(request: IncomingMessage): string | null {
  const { method, headers, httpVersionMajor, httpVersionMinor } = request;
  if (method !== 'GET') return 'the method is not GET';
  if (httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor < 1)) return 'the HTTP version is below 1.1';
  const hosts = hostsOf(request);
  if (hosts.length !== 1) return `there are ${hosts.length} Host headers instead of one`;
  if (!HOST.test(hosts[0]!)) return 'the Host header is not a host with an optional port';
  if (headers.upgrade === undefined || !/(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade))
    return 'the Upgrade header is not websocket';
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return 'Sec-WebSocket-Key is missing or not 16 bytes in base64';
  if (!/^(13|8)$/.test(headers['sec-websocket-version'] ?? '')) return 'Sec-WebSocket-Version is not 13';
  return null;
}

/** The fault of the path of a request that becomes a connection; null without one. */
export function faultOfPath(request: IncomingMessage): string | null {
  return pathOf(request).length > MAX_PATH ? `the path is longer than ${MAX_PATH} characters` : null;
}

/** The values of all such headers; `headers` has only the first. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === 'host');
}
