import type { EventEmitter } from 'node:events';

import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { type DriftKind, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { GrowthAlarm } from './growth-alarm.js';
import { RetentionSample } from './retention-sample.js';

const INTERVAL_MS = 60_000;
/** Connections whose end is followed up. */
const SAMPLE = 1000;

type Leak = Extract<DriftKind, 'listeners' | 'disposers' | 'streams' | 'retained'>;

/** More than this on one connection, or so many ended ones that are held, is no habit of an app any more. */
const FLOORS: Readonly<Record<Leak, number>> = { listeners: 100, disposers: 500, streams: 32, retained: 20 };

/** The highest figure of a look, and whose it is. */
interface Peak {
  readonly count: number;
  readonly connection: Connection | null;
}

const NONE: Peak = { count: 0, connection: null };

/**
 * Watches for what grows without end in the app's use of its connections: listeners, disposers and streams of answers that
 * are added again and again to one connection, and connections that have ended while something still holds them. It tells, and repairs nothing.
 */
@Injectable()
export class LeakSentinel implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('HeartbeatDiagnosis');
  readonly #sample = new RetentionSample<Connection>(SAMPLE);
  readonly #alarms = {
    listeners: new GrowthAlarm(FLOORS.listeners),
    disposers: new GrowthAlarm(FLOORS.disposers),
    streams: new GrowthAlarm(FLOORS.streams),
    retained: new GrowthAlarm(FLOORS.retained),
  };
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  constructor(
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.look(), INTERVAL_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One look at everything, in slices; none while another lasts. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      let listeners = NONE;
      let disposers = NONE;
      let streams = NONE;
      await inSlices(this.connections.all(), connection => {
        listeners = higher(listeners, listenersOf(connection), connection);
        disposers = higher(disposers, connection.disposers, connection);
        streams = higher(streams, connection.streams, connection);
      });
      this.#judge('listeners', listeners.count, () => describeListeners(listeners));
      this.#judge('disposers', disposers.count, () => describeDisposers(disposers));
      this.#judge('streams', streams.count, () => describeStreams(streams));
      const retained = this.#sample.look();
      this.#judge('retained', retained, () => describeRetained(retained, this.#sample.size));
      this.#sample.refill(this.connections.all());
    } finally {
      this.#looking = false;
    }
  }

  #judge(kind: Leak, count: number, describe: () => string): void {
    if (!this.#alarms[kind].isWorthTelling(count)) return;
    this.#logger.warn(describe());
    this.events.announce({ type: 'drift', kind, count });
  }
}

function higher(peak: Peak, count: number, connection: Connection): Peak {
  return count > peak.count ? { count, connection } : peak;
}

/** On the socket that the app gets, and on the network socket below it. */
function listenersOf({ socket, network }: Connection): number {
  return countListeners(socket) + countListeners(network);
}

function countListeners(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0);
}

function describeListeners({ count, connection }: Peak): string {
  const { socket, network } = connection!;
  const byName = [socket, network].flatMap(emitter =>
    emitter.eventNames().map(name => ({ name: String(name), count: emitter.listenerCount(name) })),
  );
  const most = byName.toSorted((one, other) => other.count - one.count)[0]!;
  return (
    `connection ${connection!.id} has ${count} listeners on its sockets, ${most.count} of them for "${most.name}": ` +
    'whoever adds one for each message or timer has to take it off again'
  );
}

function describeDisposers({ count, connection }: Peak): string {
  return `connection ${connection!.id} has ${count} disposers that wait for its end: call defer() once for each connection, not for each message`;
}

function describeStreams({ count, connection }: Peak): string {
  return `connection ${connection!.id} has ${count} streams of answers that have not ended: an Observable that a handler returns must complete, or end when its client asks`;
}

function describeRetained(count: number, watched: number): string {
  return (
    `${count} of ${watched} watched connections have ended and are still held in memory: something of the app keeps them, such as a ` +
    'map, a closure or a subscription; a heap snapshot shows what ("Connection", retainers)'
  );
}
