import type { Server } from 'node:http';

import type { INestApplicationContext } from '@nestjs/common';

import { ClientAddresses } from '../../admission/client-addresses.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { NodeState } from '../../node/node-state.js';
import { ownSocketRoom } from '../../base/open-file-limit.js';
import type { HttpPort } from './http-port.js';
import { SilentSockets } from './silent-sockets.js';
import { watchSockets } from './watch-sockets.js';

/** Minimum of the limit for incomplete request heads of all clients. */
const MIN_HEADS = 5000;
/** Incomplete heads that an address may have beside twice its `maxPerIp`, for plain HTTP requests. */
const HEADS_BESIDE = 16;

/**
 * Creates the silent sockets of this node, with limits that follow from the options. Time for a request head: `limits.handshakeTimeoutMs`.
 * Incomplete heads of an address: twice `limits.maxPerIp` and 16. Incomplete heads of all: the larger of `limits.maxConnections` and 5,000.
 * Sockets of any kind: the limit of open files. Trusted proxies and Unix sockets are not limited by address.
 */
export function createNodeSockets(app: INestApplicationContext, ports: ReadonlyMap<number, HttpPort>) {
  const node = app.get(NodeState, { strict: false });
  const connections = app.get(ConnectionService, { strict: false });
  const addresses = app.get(ClientAddresses, { strict: false });
  const { handshakeTimeoutMs } = node.options.limits;
  const guests = () => [...ports.values()].reduce((count, port) => count + port.guests.count, 0);
  const sockets: SilentSockets = new SilentSockets({
    timeoutMs: handshakeTimeoutMs,
    get maxPerNetwork() {
      const { maxPerIp } = node.limits;
      return maxPerIp > 0 ? 2 * maxPerIp + HEADS_BESIDE : Infinity;
    },
    get max() {
      return Math.max(MIN_HEADS, node.limits.maxConnections);
    },
    isFull: () => sockets.count + connections.count + guests() > node.socketRoom,
    now: () => node.clock.now(),
  });
  return {
    sockets,
    /** Counts the sockets of a server from now on. The returned function stops that. */
    watch(server: Server): () => void {
      if (node.socketRoom === Infinity) node.socketRoom = ownSocketRoom();
      return watchSockets(server, sockets, address => addresses.networkOfPeer(address));
    },
  };
}
