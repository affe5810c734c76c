import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { NEVER } from '../connection/pulse.js';
import type { TrackedSocket } from '../connection/tracked-socket.js';
import { HeartbeatEvents } from '../heartbeat.events.js';
import { inSlices } from '../slices.js';
import { hasUnfinishedMessage } from './unfinished-message.js';

/** How often the sockets are looked at for messages in the making. */
const SWEEP_MS = 1000;

/** Guards what comes in: messages that never end, and more handlers at once than a connection may have. */
@Injectable()
export class InboundService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Of connections at their limit only; held weakly, since nothing here must keep one alive. */
  readonly #waiting = new WeakMap<Connection, (() => Promise<void>)[]>();
  #timer: NodeJS.Timeout | null = null;
  #sweeping = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationBootstrap(): void {
    if (this.node.options.limits.messageTimeoutMs === 0) return;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Closes whoever has a message unfinished for `messageTimeoutMs` of attended time. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      // What the kernel already holds is read before anyone is judged.
      await new Promise(resolve => setImmediate(resolve));
      await inSlices(this.connections.all(), connection => this.#inspect(connection));
    } finally {
      this.#sweeping = false;
    }
  }

  /** Counts a message; false if it came too soon after too many others, which ends the connection. */
  admit(connection: Connection): boolean {
    if (connection.closing?.code === CloseCodes.rate.code) return false;
    const { messagesPerSecond } = this.node.options.limits;
    if (messagesPerSecond === 0) return true;
    this.#turn(connection);
    if (++connection.pulse.messagesInSecond <= messagesPerSecond * this.#seconds) return true;
    this.#refuse(connection, 'too many messages');
    return false;
  }

  /** Counts a ping; too many end the connection. */
  pinged(connection: Connection): void {
    const { pingsPerSecond } = this.node.options.limits;
    if (pingsPerSecond === 0) return;
    this.#turn(connection);
    if (++connection.pulse.pingsInSecond > pingsPerSecond * this.#seconds) this.#refuse(connection, 'too many pings');
  }

  /** How many seconds' worth may be read in this one: after a stall, those of the stall too. */
  get #seconds(): number {
    return 1 + Math.ceil(this.node.recentStallMs / 1000);
  }

  /** Begins a new second of counting when the last one is over. */
  #turn({ pulse }: Connection): void {
    const second = Math.floor(this.node.attendedMs / 1000);
    if (pulse.second === second) return;
    pulse.second = second;
    pulse.messagesInSecond = pulse.pingsInSecond = 0;
  }

  /** Closes with 4004 and reads no more: a flood that is still read would cost the others their time. */
  #refuse(connection: Connection, why: string): void {
    if (!connection.end({ code: CloseCodes.rate.code, reason: why, by: 'server' })) return;
    connection.note(why);
    (connection.socket as TrackedSocket).holdBack();
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'rate' });
  }

  /**
   * Runs a handler, or lets it wait while `maxInFlight` of this connection run. While any waits the socket is not read, so
   * what can wait is bounded by what one read had brought in.
   */
  run(connection: Connection, handler: () => Promise<void>): void {
    if (connection.inFlight < this.node.options.limits.maxInFlight) return void this.#start(connection, handler);
    const waiting = this.#waiting.get(connection);
    if (waiting) waiting.push(handler);
    else this.#waiting.set(connection, [handler]);
    (connection.socket as TrackedSocket).holdBack();
  }

  /** @param handler Never rejects. */
  async #start(connection: Connection, handler: () => Promise<void>): Promise<void> {
    connection.inFlight++;
    await handler();
    connection.inFlight--;
    const waiting = this.#waiting.get(connection);
    if (waiting === undefined) return;
    const next = connection.ended ? undefined : waiting.shift();
    if (next) return void this.#start(connection, next);
    this.#waiting.delete(connection);
    // A flood that was refused is read no more.
    if (connection.closing?.code !== CloseCodes.rate.code) (connection.socket as TrackedSocket).letGo();
  }

  #inspect(connection: Connection): void {
    const { pulse, socket } = connection;
    if (connection.state === 'closing') return;
    if (connection.paused || !hasUnfinishedMessage(socket)) {
      pulse.unfinishedSince = NEVER;
      return;
    }
    const now = this.node.attendedMs;
    // A message that was finished meanwhile was another one.
    if (pulse.unfinishedSince === NEVER || pulse.messageAt > pulse.unfinishedSince) pulse.unfinishedSince = now;
    if (now - pulse.unfinishedSince < this.node.options.limits.messageTimeoutMs) return;
    connection.note('a message stayed unfinished');
    if (!connection.end({ code: CloseCodes.rate.code, reason: 'message unfinished for too long', by: 'server' }))
      return;
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'unfinished' });
  }
}
