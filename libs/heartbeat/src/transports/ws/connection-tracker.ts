import type { Server } from 'node:http';

import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { WebSocketServer } from 'ws';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { NodeState } from '../../node/node-state.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import { HttpPorts } from './http-ports.js';
import { type GivenUpgrade, TrackedServer } from './tracked-server.js';
import type { TrackedSocket } from './tracked-socket.js';
import { assertTrackable, type TrackOptions } from './tracker-arguments.js';
import { KINDS } from './transport-kinds.js';
import { upgradeOf, wantsWebSocket } from './upgrade.js';
import { Upgrades } from './upgrades.js';

/**
 * Tracks `ws` servers of the application: each of their clients passes admission and becomes a connection, with its liveness, limits,
 * listing, kicks and drain. The messages of a client are for the server's own listeners.
 */
@Injectable()
export class ConnectionTracker implements OnApplicationShutdown {
  /** The tracked servers, with the functions that end their tracking. */
  readonly #tracked = new Map<WebSocketServer, () => void>();

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly gateway: HeartbeatGateway,
    private readonly upgrades: Upgrades,
    private readonly ports: HttpPorts,
    private readonly host: HttpAdapterHost,
  ) {}

  /**
   * Tracks each new client of a server of `ws` (8.16 or newer, any copy of it), made with `noServer`, `server` or `port`. Call it before the
   * application listens: clients that are connected already stay untracked.
   *
   * The upgrade passes admission inside the server's `handleUpgrade`, whatever calls it; with `noServer` the routing stays yours. A server
   * with `{ server }` leaves upgrades to other paths alone from now on. The server's own `maxPayload`, `maxFragments`, `closeTimeout` and
   * `maxBufferedChunks` apply where they differ from the defaults of `ws`, otherwise those of this library.
   * @returns A function that ends the tracking of new connections; the server then works as before. Connections that are open stay tracked.
   * A server that its owner closes is no longer tracked.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for another value than a server of `ws`, one that is tracked already, or a wrong option.
   */
  track(server: WebSocketServer, options: TrackOptions = {}): () => void {
    assertTrackable(server, options);
    if (this.#tracked.has(server)) {
      const problem = {
        key: 'server',
        value: '(tracked)',
        rule: 'must not be tracked already',
        remedy: 'call track once for each server',
      };
      throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `This server ${problem.rule}: ${problem.remedy}.`, [problem]);
    }
    const sockets = new Set<TrackedSocket>();
    const isListed = () => this.#tracked.has(server);
    const tracked = new TrackedServer(server, {
      options: this.node.options,
      socketListeners: this.gateway.trackedListeners(KINDS[options.transport ?? 'other'], sockets, () => {
        if (!isListed()) this.#drop(sockets);
      }),
      sockets,
      path: options.path ?? null,
      closing: () => end(),
      received: (one, upgrade) => this.#received(one, upgrade),
      failed: (what, error) => this.node.codeFailed(`${what} of a tracked server`, error),
    });
    this.connections.socketSets.push(sockets);
    const leave = this.#listen(tracked);
    const end = () => {
      if (!this.#tracked.delete(server)) return;
      leave();
      tracked.restore();
      this.#drop(sockets);
    };
    this.#tracked.set(server, end);
    return end;
  }

  /** Ends the tracking of all servers, which stay open. Called by Nest after the drain; an application need not call it. */
  /** Ends all tracking; called by Nest at the end of the application. */
  onApplicationShutdown(): void {
    for (const end of this.#tracked.values()) end();
  }

  /**
   * Registers the HTTP server, on which paths of gateways and other guests may be as well. With `noServer` it is that of the application,
   * whose own listener is a guest until it calls `handleUpgrade`.
   */
  #listen(tracked: TrackedServer): () => void {
    const { httpAdapter } = this.host as Partial<HttpAdapterHost>;
    const http = tracked.http ?? (httpAdapter?.getHttpServer() as Server | undefined);
    if (http === undefined) return () => undefined;
    const port = this.ports.of(http);
    if (tracked.http === undefined) return () => undefined;
    port.tracked.add(tracked);
    return () => port.tracked.delete(tracked);
  }

  #received(server: TrackedServer, given: GivenUpgrade): void {
    const { request, socket } = given;
    const port = this.ports.find(server.http ?? serverOf(request.socket));
    if (!server.serves(request)) {
      // Another server of the port may serve this path. If none does, the port responds.
      if (port === undefined) this.upgrades.serve(undefined, upgradeOf({ ...given, leave: ignore }));
      return;
    }
    // The path of a gateway comes first, and other protocols are plain requests.
    if (port?.paths.find(request) !== undefined || (server.http !== undefined && !wantsWebSocket(request))) return;
    // The port has refused it already, at the end of a drain.
    if (socket.destroyed || socket.writableEnded) return;
    this.upgrades.serve(server, port === undefined ? upgradeOf({ ...given, leave: ignore }) : port.take(given));
  }

  /** Removes the sockets of a server that is no longer tracked, once there are none. */
  #drop(sockets: ReadonlySet<TrackedSocket>): void {
    const { socketSets } = this.connections;
    const place = socketSets.indexOf(sockets);
    if (place !== -1 && sockets.size === 0) socketSets.splice(place, 1);
  }
}

function ignore(): void {}

/** The HTTP server that has accepted a socket. */
function serverOf(network: object): Server | undefined {
  return (network as { readonly server?: Server | null }).server ?? undefined;
}
