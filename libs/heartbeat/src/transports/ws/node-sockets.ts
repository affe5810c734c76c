import type { Server } from 'node:http';

import type { INestApplicationContext } from '@nestjs/common';

import { ClientAddresses } from '../../admission/client-addresses.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { NodeState } from '../../connection/node-state.js';
import { ownSocketRoom } from '../../base/open-file-limit.js';
import type { HttpPort } from './http-port.js';
import { SilentSockets } from './silent-sockets.js';
import { watchSockets } from './watch-sockets.js';

/** Sockets of all clients whose request head may be incomplete at once, at least. */
const MIN_HEADS = 5000;
/** Beside twice the `maxPerIp` of an address: its plain HTTP requests. */
const HEADS_BESIDE = 16;

/**
 * The silent sockets of this node, with bounds that follow from the options: `limits.handshakeTimeoutMs` for a request head, for an
 * address twice `limits.maxPerIp` and 16 heads, for all `limits.maxConnections` or 5,000 of them, whichever is more, and the limit of
 * open files for sockets of any kind. Trusted proxies and Unix sockets are not limited by address.
 */
export function createNodeSockets(app: INestApplicationContext, ports: ReadonlyMap<number, HttpPort>) {
  const node = app.get(NodeState, { strict: false });
  const connections = app.get(ConnectionService, { strict: false });
  const addresses = app.get(ClientAddresses, { strict: false });
  const { handshakeTimeoutMs, maxConnections, maxPerIp } = node.options.limits;
  const guests = () => [...ports.values()].reduce((count, port) => count + port.guests.count, 0);
  const sockets: SilentSockets = new SilentSockets({
    timeoutMs: handshakeTimeoutMs,
    maxPerNetwork: maxPerIp > 0 ? 2 * maxPerIp + HEADS_BESIDE : Infinity,
    max: Math.max(MIN_HEADS, maxConnections),
    isFull: () => sockets.count + connections.count + guests() > node.socketRoom,
    now: () => node.clock.now(),
  });
  return {
    sockets,
    /** Counts the sockets of a server from now on; the result ends that. */
    watch(server: Server): () => void {
      if (node.socketRoom === Infinity) node.socketRoom = ownSocketRoom();
      return watchSockets(server, sockets, address => addresses.networkOfPeer(address));
    },
  };
}
