import type { IncomingMessage } from 'node:http';

/** IPv4 addresses as they show on a dual-stack socket. */
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;

/** The client's address: that of the socket, an IPv4-mapped IPv6 address as IPv4. Empty once the socket has closed. */
export function clientAddress({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? '').replace(MAPPED, '');
}
