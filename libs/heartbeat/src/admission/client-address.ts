import type { IncomingMessage } from 'node:http';

import { plainAddress } from '../network-address.js';

/** The client's address: that of the socket, an IPv4-mapped IPv6 address as IPv4. Empty once the socket has closed. */
export function clientAddress({ socket }: IncomingMessage): string {
  return plainAddress(socket.remoteAddress ?? '');
}
