import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** The arguments of an `upgrade` listener. */
export type UpgradeEvent = [request: IncomingMessage, socket: Duplex, head: Buffer];

type Listener = (...upgrade: UpgradeEvent) => unknown;

/** A filtered listener. Node removes it by its original, as it does with the wrappers of `once`. */
type Filtered = Listener & { listener: Listener };

/**
 * Guests whose `upgrade` listener ends upgrades that are not their own: engine.io (Socket.IO) those that have no answer after a second,
 * a `ws` server with `{ server }` all others at once, and `@fastify/websocket` those for which the router has no path.
 */
export type GuestKind = 'engine.io' | 'ws' | 'fastify';

/** The listener of a `ws` server: an arrow function that passes all upgrades to the server, also in minified code. */
const OF_WS =
  /^(?:async\s*)?\(?(\w+),\s*(\w+),\s*(\w+)\)?\s*=>\s*\{?\s*this\.handleUpgrade\(\1,\s*\2,\s*\3,\s*\w+\);?\s*\}?$/;
/** The option that the listener of engine.io reads. */
const OF_ENGINE_IO = /\bdestroyUpgrade\b/;

/** The listener of `@fastify/websocket`: it passes all upgrades to the router, as requests. */
const OF_FASTIFY = /\.assignSocket\([^]*\.routing\(/;

/** The kind of a listener by its source, since a listener has no public reference to its owner; null for any other. */
export function kindOf(listener: (...given: never[]) => unknown): GuestKind | null {
  const source = Function.prototype.toString.call(listener);
  if (OF_ENGINE_IO.test(source)) return 'engine.io';
  if (OF_FASTIFY.test(source)) return 'fastify';
  return OF_WS.test(source) ? 'ws' : null;
}

/**
 * Keeps upgrades to the paths of gateways and of tracked servers from those guests, which would end them. All other listeners receive every upgrade: one of
 * them may be a check of the application that must see it.
 */
export class GuestFilter {
  #isReplacing = false;
  readonly #added = (event: string | symbol) => {
    // The listener is added after this event, and no upgrade arrives before a microtask.
    if (event === 'upgrade' && !this.#isReplacing) queueMicrotask(() => this.#apply());
  };

  /**
   * @param isKept Whether a listener must not receive an upgrade.
   * @param changed Called when a listener of such a guest was found.
   */
  constructor(
    private readonly server: Server,
    private readonly isKept: (upgrade: UpgradeEvent, kind: GuestKind) => boolean,
    private readonly changed: (filter: GuestFilter) => void,
  ) {
    server.on('newListener', this.#added);
    this.#apply();
  }

  /** The listeners of these guests. */
  listeners(kind: GuestKind): Listener[] {
    return this.server.listeners('upgrade').filter(listener => kindOf(listener as Listener) === kind) as Listener[];
  }

  /** Restores all listeners. */
  close(): void {
    this.server.off('newListener', this.#added);
    this.#replace(listener => (filtered.has(listener) ? (listener as Filtered).listener : listener));
  }

  #apply(): void {
    const before = this.server.rawListeners('upgrade') as Listener[];
    const isNew = (listener: Listener) => !filtered.has(listener) && kindOf(listener) !== null;
    if (!before.some(isNew)) return;
    this.#replace(listener => (isNew(listener) ? this.#filtered(listener, kindOf(listener)!) : listener));
    this.changed(this);
  }

  #filtered(listener: Listener, kind: GuestKind): Filtered {
    const { isKept } = this;
    const filter = function (this: unknown, ...given: UpgradeEvent) {
      if (!isKept(given, kind)) Reflect.apply(listener, this, given);
    };
    filtered.add(filter);
    return Object.assign(filter, { listener });
  }

  /** Replaces listeners in their places. */
  #replace(replacement: (listener: Listener) => Listener): void {
    const { server } = this;
    const all = server.rawListeners('upgrade') as Listener[];
    const replaced = all.map(replacement);
    if (replaced.every((listener, index) => listener === all[index])) return;
    this.#isReplacing = true;
    server.removeAllListeners('upgrade');
    for (const listener of replaced) server.on('upgrade', listener);
    this.#isReplacing = false;
  }
}

/** All filtering listeners: two applications of a process may share an HTTP server. */
const filtered = new WeakSet<Listener>();
