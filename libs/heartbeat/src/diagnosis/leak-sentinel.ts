import type { EventEmitter } from 'node:events';

import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { type DriftKind, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { GrowthAlarm } from './growth-alarm.js';
import { RetentionSample } from './retention-sample.js';

const INTERVAL_MS = 60_000;
/** Number of connections that are watched beyond their end. */
const SAMPLE = 1000;

type Leak = Extract<DriftKind, 'listeners' | 'disposers' | 'streams' | 'retained'>;

/** Higher numbers, for one connection or of ended connections that are still held, are not normal use. */
const FLOORS: Readonly<Record<Leak, number>> = { listeners: 100, disposers: 500, streams: 32, retained: 20 };

/** The highest number of a check, and its connection. */
interface Peak {
  readonly count: number;
  readonly connection: Connection | null;
}

const NONE: Peak = { count: 0, connection: null };

/**
 * Reports use of connections that grows without bound: listeners, disposers and streams that the app adds to one connection again and
 * again, and ended connections that are still referenced. It only reports, and corrects nothing.
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
  #isChecking = false;

  constructor(
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.check(), INTERVAL_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Checks all connections, in slices. Does nothing during another check. */
  async check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      let listeners = NONE;
      let disposers = NONE;
      let streams = NONE;
      await inSlices(this.connections.all(), connection => {
        listeners = higher(listeners, listenersOf(connection), connection);
        disposers = higher(disposers, connection.lifetime?.disposers ?? 0, connection);
        streams = higher(streams, connection.lifetime?.streams ?? 0, connection);
      });
      this.#judge('listeners', listeners.count, () => describeListeners(listeners));
      this.#judge('disposers', disposers.count, () => describeDisposers(disposers));
      this.#judge('streams', streams.count, () => describeStreams(streams));
      const retained = this.#sample.check();
      this.#judge('retained', retained, () => describeRetained(retained, this.#sample.size));
      this.#sample.refill(this.connections.all());
    } finally {
      this.#isChecking = false;
    }
  }

  #judge(kind: Leak, count: number, describe: () => string): void {
    if (!this.#alarms[kind].isWorthReporting(count)) return;
    this.#logger.warn(describe());
    this.events.announce({ type: 'drift', kind, count });
  }
}

function higher(peak: Peak, count: number, connection: Connection): Peak {
  return count > peak.count ? { count, connection } : peak;
}

/** The listeners on the socket that the app receives, and on the network socket below it. */
function listenersOf({ channel }: Connection): number {
  return channel.emitters.reduce((count, emitter) => count + countListeners(emitter), 0);
}

function countListeners(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0);
}

function describeListeners({ count, connection }: Peak): string {
  const byName = connection!.channel.emitters.flatMap(emitter =>
    emitter.eventNames().map(name => ({ name: String(name), count: emitter.listenerCount(name) })),
  );
  const most = byName.toSorted((one, other) => other.count - one.count)[0]!;
  return (
    `connection ${connection!.id} has ${count} listeners on its sockets, ${most.count} of them for "${most.name}": ` +
    'remove each listener that was added for a message or a timer'
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
    `${count} of ${watched} watched connections have ended and are still held in memory: application code holds them, such as a ` +
    'map, a closure or a subscription; a heap snapshot shows what ("Connection", retainers)'
  );
}
