import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { NO_PARAMS, type PathParams } from '../../base/path-params.js';
import type { WebSocket } from 'ws';

/** One `upgrade` event of Node, and its state. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** The parameters of the path; set before the upgrade is served. */
  params: PathParams;
  /** The fault of the path, for which the upgrade is refused; null without one. */
  pathFault: string | null;
  /** `bytesWritten` of the socket at the event: a socket that has served earlier requests has already written. */
  readonly bytesBefore: number;
  /** Whether the upgrade was admitted or refused. From then on, `ws` or the response handles errors of the socket. */
  isSettled: boolean;
  /** Hands the socket over to another listener that has taken it. */
  readonly leave: (socket: Duplex) => void;
  /** Takes the finished socket, for the owner of a tracked server. */
  readonly upgraded?: ((client: WebSocket) => void) | undefined;
}

type Given = Pick<Upgrade, 'request' | 'socket' | 'head' | 'leave' | 'upgraded'>;

/** Without a spread, which V8 makes a hash table of: 4 % of an upgrade in a profile, and slow to write. */
export function upgradeOf({ request, socket, head, leave, upgraded }: Given): Upgrade {
  const bytesBefore = bytesWritten(socket);
  return { request, socket, head, leave, upgraded, params: NO_PARAMS, pathFault: null, bytesBefore, isSettled: false };
}

/**
 * Whether the client requests a WebSocket. Node emits every `Upgrade`, also `h2c` (RFC 9110, section 7.8). A list of several protocols is a
 * WebSocket handshake only with a `Sec-WebSocket-Key`; otherwise a server may ignore the header.
 */
export function wantsWebSocket({ method, headers }: IncomingMessage): boolean {
  // The usual value, without the work for the others.
  if (headers.upgrade === 'websocket') return true;
  const protocols = (headers.upgrade ?? '').split(',').map(protocol => protocol.trim().toLowerCase());
  if (!protocols.includes('websocket')) return false;
  const isAlone = protocols.every(protocol => protocol === 'websocket' || protocol === '');
  return isAlone || (method === 'GET' && headers['sec-websocket-key'] !== undefined);
}

/** Whether another listener has answered. A second response would be written into the connection of that listener. */
export function isAnswered({ socket, bytesBefore }: Upgrade): boolean {
  return socket.destroyed || socket.writableEnded || bytesWritten(socket) !== bytesBefore;
}

/** Whether another listener has answered the upgrade or reads its socket. */
export function isTaken(upgrade: Upgrade): boolean {
  const { socket } = upgrade;
  const isRead = socket.listenerCount('data') + socket.listenerCount('readable') > 0 || socket.readableFlowing === true;
  return isRead || isAnswered(upgrade);
}

function bytesWritten(socket: Duplex): number {
  return (socket as Duplex & { readonly bytesWritten?: number }).bytesWritten ?? 0;
}

/** A listener for `error`: a client that resets while its upgrade waits must not end the process. */
export function ignoreError(): void {}

/** Undoes {@link ignoreError} where other code handles errors from now on. A destroyed socket keeps it: its error may still be emitted. */
export function stopIgnoringErrors(socket: Duplex): void {
  if (!socket.destroyed) socket.off('error', ignoreError);
}
