import type { IncomingMessage } from 'node:http';

/** Sixteen bytes in base64 (RFC 6455, section 4.2.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** What is wrong with an upgrade (RFC 6455, section 4.2.1), before anybody is asked who it is; null when nothing is. */
export function faultOfUpgrade({ method, headers }: IncomingMessage): string | null {
  if (method !== 'GET') return 'the method is not GET';
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'the Upgrade header is not websocket';
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return 'Sec-WebSocket-Key is missing or not 16 bytes in base64';
  if (!/^(13|8)$/.test(headers['sec-websocket-version'] ?? '')) return 'Sec-WebSocket-Version is not 13';
  return null;
}
