import type { Socket } from 'socket.io';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import type { Connection } from '../../connection/public-connection.js';
import { connectionOfClient } from './session-of.js';

/**
 * The connection of a socket of Socket.IO: in middleware, handlers and listeners, until the listeners of `disconnect` have returned. All
 * namespaces of a client share it.
 * @throws HeartbeatError `HEARTBEAT_GATEWAY_UNTRACKED` for a socket whose server is not tracked, `HEARTBEAT_CONNECTION_CLOSED` after the end.
 */
export function connectionOf(socket: Socket): Connection {
  const connection = connectionOfClient(socket);
  if (connection !== undefined) return connection;
  const { conn } = (socket as Partial<Socket> | null | undefined) ?? {};
  if (conn?.readyState === 'closed')
    throw new HeartbeatError(
      'HEARTBEAT_CONNECTION_CLOSED',
      'the socket has no connection any more: keep the connection, not the socket',
    );
  const remedy = 'use HeartbeatIoAdapter, or call trackSocketIo(app, server) before the server accepts clients';
  throw new HeartbeatError(
    'HEARTBEAT_GATEWAY_UNTRACKED',
    `the Socket.IO server of the socket is not tracked: ${remedy}`,
  );
}
