import type { Server } from 'node:http';

import { guarded } from '../../connection/lifetime.js';
import type { GuestFilter, GuestKind } from './guest-filter.js';

const TEXTS: Readonly<Record<GuestKind, string>> = {
  ws:
    'A ws server with { server } that is not tracked answers upgrades to all other paths with 400. Paths of gateways are kept from it, and ' +
    'those of tracked servers; those of other "upgrade" listeners are not: track it with ConnectionTracker.track(server), or make it with ' +
    '{ noServer: true }.',
  'engine.io':
    'Socket.IO (engine.io) ends upgrades of other "upgrade" listeners that have no answer within its destroyUpgradeTimeout, by default a ' +
    'second. Paths of gateways are kept from it, those of other listeners are not: make it with { destroyUpgrade: false }.',
  fastify:
    '@fastify/websocket passes each upgrade to the router of Fastify, which answers those of other "upgrade" listeners with 404. Paths of ' +
    'gateways are kept from it, those of other listeners are not: give them a port of their own, or a route of Fastify.',
};

/** The parts of a port that decide about its guests. */
interface GuestPort {
  readonly server: Server;
  readonly tracked: ReadonlySet<{ readonly kind: GuestKind }>;
}

/** Warns once of each kind of guest that ends upgrades of other listeners: at the start, or when the guest is added later. */
export class GuestWarnings {
  readonly #warned = new Set<GuestKind>();
  #isDue = false;
  #isOver = false;

  constructor(
    private readonly port: GuestPort,
    private readonly warn: (kind: GuestKind, text: string) => void,
  ) {}

  /** Checks the guests once the server listens: until then a server may still be tracked. */
  checkLater(filter: GuestFilter): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const check = () => {
      this.#isDue = false;
      if (!this.#isOver) this.#check(filter);
    };
    const { server } = this.port;
    if (server.listening) setImmediate(check);
    else server.once('listening', check);
  }

  close(): void {
    this.#isOver = true;
  }

  #check(filter: GuestFilter): void {
    const tracked = [...this.port.tracked].filter(({ kind }) => kind === 'ws');
    if (filter.listeners('ws').length > tracked.length) this.#warn('ws');
    const routers = filter.listeners('fastify').length;
    // The other one is that of this library.
    if (routers > 0 && this.port.server.listenerCount('upgrade') > routers + 1) this.#warn('fastify');
    // Beside tracked servers only, it has no upgrades of others to end.
    const hasGuests = this.port.server.listenerCount('upgrade') > 1 + this.port.tracked.size;
    if (!hasGuests || this.#warned.has('engine.io')) return;
    for (const listener of filter.listeners('engine.io')) this.#probe(listener);
  }

  /**
   * The option `destroyUpgrade` cannot be read, so the listener receives an upgrade to no path, with a socket that only notes whether it is
   * read: engine.io does that once its timeout has passed, and ends no upgrade where the option is false.
   */
  #probe(listener: (...given: never[]) => unknown): void {
    const found = () => {
      if (!this.#isOver) this.#warn('engine.io');
    };
    const socket = {
      get writable() {
        found();
        return false;
      },
      on: () => socket,
      end: () => socket,
      destroy: () => socket,
    };
    const call = () =>
      Reflect.apply(listener, this.port.server, [{ url: '', method: 'GET', headers: {} }, socket, Buffer.alloc(0)]);
    guarded(call, '', () => undefined);
  }

  #warn(kind: GuestKind): void {
    if (this.#warned.has(kind)) return;
    this.#warned.add(kind);
    this.warn(kind, TEXTS[kind]);
  }
}
