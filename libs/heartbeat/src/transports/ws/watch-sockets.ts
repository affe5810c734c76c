import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';

import type { SilentSockets } from './silent-sockets.js';

/**
 * Reports each socket of an HTTP server to `sockets` from its first moment, and each request head. `networkOf` returns the network of an
 * address, or null where it is not limited. The returned function stops that.
 */
export function watchSockets(
  server: Server,
  sockets: SilentSockets,
  networkOf: (address: string | undefined) => string | null,
): () => void {
  /** Sockets in the TLS handshake by peer: the TLS socket is another object with the same peer. */
  const handshakes = new Map<string, { readonly socket: Socket; readonly end: () => void }>();
  const isTls = server instanceof TlsServer;
  const accepted = (socket: Socket) => {
    sockets.add(socket, networkOf(socket.remoteAddress));
    if (!isTls) return;
    const peer = peerOf(socket);
    const end = () => void handshakes.delete(peer);
    handshakes.set(peer, { socket, end });
    socket.once('close', end);
  };
  const secured = (socket: TLSSocket) => {
    const handshake = handshakes.get(peerOf(socket));
    if (handshake) {
      handshake.end();
      handshake.socket.off('close', handshake.end);
      sockets.forget(handshake.socket);
    }
    sockets.add(socket, networkOf(socket.remoteAddress));
  };
  const requested = (request: IncomingMessage, response: ServerResponse) => sockets.requested(request, response);
  server.prependListener('connection', accepted);
  if (isTls) server.prependListener('secureConnection', secured);
  server.prependListener('request', requested);
  return () => {
    server.off('connection', accepted).off('secureConnection', secured).off('request', requested);
    handshakes.clear();
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
