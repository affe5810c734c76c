import type { Server } from 'node:http';

import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import { NodeState } from '../../node/node-state.js';
import { HttpPort } from './http-port.js';
import { NodeSockets } from './node-sockets.js';
import { Upgrades } from './upgrades.js';

/** The HTTP servers of the application on which this library serves upgrades. */
@Injectable()
export class HttpPorts implements OnApplicationShutdown {
  readonly #ports = new Map<Server, HttpPort>();
  /** Functions that undo all registrations. */
  readonly #leave: (() => void)[] = [];

  constructor(
    private readonly node: NodeState,
    private readonly sockets: NodeSockets,
    private readonly upgrades: Upgrades,
    private readonly events: HeartbeatEvents,
  ) {}

  /**
   * The port of an HTTP server; added at the first call.
   * @param isOwn Whether this library made the server, and so closes it.
   */
  of(server: Server, isOwn = false): HttpPort {
    const known = this.#ports.get(server);
    if (known) return known;
    if (this.#ports.size === 0) this.#awaitDrain();
    const port = new HttpPort({
      server,
      isOwn,
      timeoutMs: this.node.options.limits.handshakeTimeoutMs,
      now: () => this.node.clock.now(),
      sockets: this.sockets.silent,
      serve: (served, upgrade) => this.upgrades.serve(served, upgrade),
      warn: (kind, text) => this.node.log.warn(`${kind} as a guest`, text),
    });
    this.sockets.guests.add(port.guests);
    this.#leave.push(this.sockets.watch(server), () => this.sockets.guests.delete(port.guests));
    this.#ports.set(server, port);
    return port;
  }

  /** The port of an HTTP server, if it was added. */
  find(server: Server | undefined): HttpPort | undefined {
    return server && this.#ports.get(server);
  }

  /** Undoes the registrations at HTTP servers that stay open. */
  onApplicationShutdown(): void {
    this.#undo();
    for (const port of this.#ports.values()) port.leave();
    this.#ports.clear();
  }

  /** Closes own servers, and stops serving others once they have closed. */
  async close(): Promise<void> {
    this.#undo();
    await Promise.all([...this.#ports.values()].map(port => port.close()));
  }

  #undo(): void {
    for (const leave of this.#leave.splice(0)) leave();
    this.sockets.close();
  }

  #awaitDrain(): void {
    const draining = this.events.ofType('drain-started', 'drain-taken-over', 'drain-aborted').subscribe(() => {
      const { drainDeadlineAt, clock } = this.node;
      const leftMs = drainDeadlineAt === null ? null : Math.max(0, drainDeadlineAt - clock.now());
      for (const port of this.#ports.values()) port.onDrain(leftMs);
    });
    this.#leave.push(() => draining.unsubscribe());
  }
}
