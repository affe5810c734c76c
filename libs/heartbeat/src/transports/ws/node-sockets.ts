import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { Injectable } from '@nestjs/common';

import { ClientAddresses } from '../../admission/client-addresses.js';
import { ownSocketRoom } from '../../base/open-file-limit.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { NodeState } from '../../node/node-state.js';
import type { GuestUpgrades } from './guest-upgrades.js';
import { SilentSockets } from './silent-sockets.js';
import { TcpTuning } from './tcp-tuning.js';
import { watchSockets } from './watch-sockets.js';

/** Minimum of the limit for incomplete request heads of all clients. */
const MIN_HEADS = 5000;
/** Incomplete heads that an address may have beside twice its `maxPerIp`, for plain HTTP requests. */
const HEADS_BESIDE = 16;

/**
 * The network sockets of this node, by HTTP server, with limits that follow from the options. Time for a request head:
 * `limits.handshakeTimeoutMs`. Incomplete heads of an address: twice `limits.maxPerIp` and 16. Incomplete heads of all: the larger of
 * `limits.maxConnections` and 5,000. Sockets of any kind: the limit of open files. Trusted proxies and Unix sockets are not limited by
 * address.
 */
@Injectable()
export class NodeSockets {
  /** The sockets that are not WebSockets. */
  readonly silent: SilentSockets;
  /** The guests of each server. */
  readonly guests = new Set<GuestUpgrades>();
  readonly #tcp: TcpTuning;

  constructor(
    private readonly node: NodeState,
    connections: ConnectionService,
    private readonly addresses: ClientAddresses,
  ) {
    this.#tcp = new TcpTuning(node.options.tcp);
    const guests = () => [...this.guests].reduce((sum, { count }) => sum + count, 0);
    this.silent = new SilentSockets({
      timeoutMs: node.options.limits.handshakeTimeoutMs,
      get maxPerNetwork() {
        const { maxPerIp } = node.limits;
        return maxPerIp > 0 ? 2 * maxPerIp + HEADS_BESIDE : Infinity;
      },
      get max() {
        return Math.max(MIN_HEADS, node.limits.maxConnections);
      },
      isFull: () => this.silent.count + connections.count + guests() > node.socketRoom,
      now: () => node.clock.now(),
    });
  }

  /** Counts and tunes the sockets of a server from now on; called before it listens. The returned function stops that. */
  watch(server: Server): () => void {
    if (this.node.socketRoom === Infinity) this.node.socketRoom = ownSocketRoom();
    const untune = this.#tcp.serve(server);
    const unwatch = watchSockets(server, this.silent, address => this.addresses.networkOfPeer(address));
    return () => {
      untune();
      unwatch();
    };
  }

  /**
   * A socket has become a connection.
   * @param network The network socket under it.
   */
  opened(socket: Duplex, network: Socket): void {
    this.silent.forget(socket);
    this.#tcp.tune(network);
  }

  /** A request or an upgrade to a tracked server that is a guest of its HTTP server. */
  served(request: IncomingMessage, response: ServerResponse | null): void {
    if (response !== null) return this.silent.requested(request, response);
    this.silent.upgrading(request.socket);
    for (const guests of this.guests) guests.forget(request.socket);
  }

  /** Forgets all sockets. */
  close(): void {
    this.silent.close();
  }
}
