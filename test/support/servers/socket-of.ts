import type { Connection } from '../../../libs/heartbeat/src/connection/connection.js';
import type { TrackedSocket } from '../../../libs/heartbeat/src/transports/ws/tracked-socket.js';

/** The connection with what the library knows of it. */
export function insideOf(connection: object): Connection {
  return connection as Connection;
}

/** The socket under a connection, as a gateway gets it. */
export function socketOf(connection: object): TrackedSocket {
  return insideOf(connection).channel as TrackedSocket;
}
