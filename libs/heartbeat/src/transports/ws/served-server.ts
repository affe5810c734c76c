import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import type { GuardedGateway } from './handshake-checks.js';
import type { RoutingTable } from './routing-table.js';
import type { SocketListeners } from './socket-listeners.js';
import type { TrackedSocket } from './tracked-socket.js';
import type { Upgrade } from './upgrade.js';
import type { VerifyClient } from './verify-client.js';

/** A WebSocket server whose upgrades pass {@link Upgrades}: that of a gateway's path, or one that the application made and tracks. */
export interface ServedServer {
  /** The library's own listeners of its sockets; one object for all of them. */
  readonly socketListeners: SocketListeners;
  /** Maps events to handlers; undefined where the dispatcher does not handle its messages. */
  readonly table: RoutingTable | undefined;
  /** Its own hook, which runs after admission. */
  readonly verifyClient: VerifyClient | undefined;
  /** The gateways whose guards check a handshake; undefined for a server without a handshake of gateways. */
  readonly guarded?: readonly GuardedGateway[];
  /** The path of a connection, without the query string; where possible one text for all connections of the path. */
  pathOf(request: IncomingMessage): string;
  /** Finishes the handshake, with a {@link TrackedSocket}. Responds by itself where it does not call `upgraded`. */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    upgraded: (client: WebSocket, request: IncomingMessage) => void,
  ): void;
  /** The socket has become a connection. */
  opened(client: TrackedSocket, upgrade: Upgrade): void;
}
