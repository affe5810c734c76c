import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

import { withinTimers } from '../../base/within-timers.js';
import { GuestFilter, type GuestKind, type UpgradeEvent } from './guest-filter.js';
import { GuestUpgrades } from './guest-upgrades.js';
import { GuestWarnings } from './guest-warnings.js';
import { PathTable } from './path-table.js';
import type { ServedServer } from './served-server.js';
import { answerAsPlainRequest } from './plain-request.js';
import type { SilentSockets } from './silent-sockets.js';
import type { TrackedListener } from './tracked-listener.js';
import type { GivenUpgrade } from './tracked-server.js';
import { ignoreError, isTaken, stopIgnoringErrors, type Upgrade, upgradeOf, wantsWebSocket } from './upgrade.js';

/** The server of a port, and the parts of the node that {@link HttpPort} depends on. */
export interface HttpPortOptions {
  readonly server: Server;
  /** Whether the adapter created the server, and so closes it. */
  readonly isOwn: boolean;
  /** `limits.handshakeTimeoutMs`. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** The sockets of this and other servers that are not WebSockets. */
  readonly sockets: SilentSockets;
  /** Serves an upgrade to a path, or refuses it where `server` is undefined. */
  readonly serve: (server: ServedServer | undefined, upgrade: Upgrade) => void;
  /** Logs advice about a guest. */
  readonly warn: (kind: GuestKind, text: string) => void;
}

/**
 * An HTTP server that this adapter shares with the application and with other `upgrade` listeners ("guests": GraphQL subscriptions, a
 * proxy, a development server). Upgrades to a gateway's path are served here. Other upgrades are left to the guests, regardless of the
 * order of the listeners, and are refused only where there is no guest. Requests for another protocol than WebSocket are answered as plain
 * HTTP.
 */
export class HttpPort {
  readonly paths = new PathTable();
  readonly tracked = new Set<TrackedListener>();
  readonly guests: GuestUpgrades;
  readonly server: Server;
  readonly isOwn: boolean;
  readonly #leaveToGuest = (socket: Duplex) => {
    this.guests.own(socket);
    this.options.sockets.forget(socket);
  };
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    this.#received(upgradeOf({ request, socket, head, leave: this.#leaveToGuest }));
  readonly #warnings: GuestWarnings;
  readonly #filter: GuestFilter;
  #deadline: NodeJS.Timeout | null = null;
  #isClosing = false;

  constructor(private readonly options: HttpPortOptions) {
    this.server = options.server;
    this.isOwn = options.isOwn;
    const { timeoutMs, now, serve } = options;
    this.guests = new GuestUpgrades({ timeoutMs, now, untaken: upgrade => serve(undefined, upgrade) });
    // The first of all listeners, so that bytes that a guest writes to a socket can be distinguished from earlier ones.
    this.server.prependListener('upgrade', this.#onUpgrade);
    this.#warnings = new GuestWarnings(this, options.warn);
    this.#filter = new GuestFilter(
      this.server,
      (upgrade, kind) => this.#isKept(upgrade, kind),
      found => this.#warnings.checkLater(found),
    );
  }

  /** An upgrade of a tracked server, which was left to it as a guest. */
  take(given: GivenUpgrade): Upgrade {
    this.guests.forget(given.socket);
    return upgradeOf({ ...given, leave: this.#leaveToGuest });
  }

  /** Stops serving, where the server stays open after the application has closed. */
  leave(): void {
    this.#leave();
  }

  /**
   * A drain waits this long for guests, and for HTTP requests where the server closes.
   * @param leftMs Null after an abort: guests are served as before.
   */
  onDrain(leftMs: number | null): void {
    if (this.#deadline) clearTimeout(this.#deadline);
    this.#deadline = leftMs === null ? null : setTimeout(() => this.#endGuests(), withinTimers(leftMs)).unref();
    if (leftMs === null) this.guests.resume();
  }

  /** Stops listening; an own server is closed. A server that is still open receives upgrades until it has closed. */
  async close(): Promise<void> {
    const { server } = this;
    this.#isClosing = true;
    if (!server.listening) return this.#leave();
    server.once('close', () => this.#leave());
    if (this.guests.isOver || this.isOwn) this.#endGuests();
    if (this.isOwn) await new Promise(resolve => server.close(resolve));
  }

  #endGuests(): void {
    this.guests.end();
    if (this.#isClosing) this.server.closeAllConnections();
  }

  #leave(): void {
    this.#warnings.close();
    this.#filter.close();
    this.server.off('upgrade', this.#onUpgrade);
    this.guests.end();
    if (this.#deadline) clearTimeout(this.#deadline);
  }

  #received(upgrade: Upgrade): void {
    const { request, socket } = upgrade;
    const { sockets } = this.options;
    sockets.upgrading(socket);
    if (!wantsWebSocket(request)) return this.#receivedOther(upgrade);
    const found = this.paths.find(request);
    // The listener of its server follows this one, unless the application has removed it.
    if (found === undefined && this.#trackedFor(request)) return this.guests.leave(upgrade);
    if (found === undefined && this.#hasGuests && !this.guests.isOver) {
      sockets.forget(socket);
      return this.guests.leave(upgrade);
    }
    if (found) {
      upgrade.params = found.params;
      upgrade.pathFault = found.fault;
    }
    this.options.serve(found?.server, upgrade);
  }

  /** Handles an upgrade to another protocol. A guest that supports it has begun to use the socket by the next turn. */
  #receivedOther(upgrade: Upgrade): void {
    const { server } = this;
    if (!this.#hasGuests) return answerAsPlainRequest(server, upgrade);
    upgrade.socket.on('error', ignoreError);
    setImmediate(() => {
      if (!isTaken(upgrade)) return answerAsPlainRequest(server, upgrade);
      stopIgnoringErrors(upgrade.socket);
      upgrade.leave(upgrade.socket);
    });
  }

  get #hasGuests(): boolean {
    return this.server.listenerCount('upgrade') > 1 + this.tracked.size;
  }

  /**
   * Whether a guest that ends upgrades of others must not see this one. A listener has no reference to its server, so the upgrade of a
   * tracked server is given to it in place of the first listener of its kind.
   */
  #isKept(upgrade: UpgradeEvent, kind: GuestKind): boolean {
    const [request, socket] = upgrade;
    // These guests can only refuse other protocols, which are answered as plain HTTP.
    if (!wantsWebSocket(request) || this.paths.find(request) !== undefined) return true;
    const server = this.#trackedFor(request);
    if (server === undefined) return false;
    if (server.kind === kind && this.guests.give(socket)) server.receive(...upgrade);
    return true;
  }

  #trackedFor(request: IncomingMessage): TrackedListener | undefined {
    for (const server of this.tracked) if (server.serves(request)) return server;
    return undefined;
  }
}
