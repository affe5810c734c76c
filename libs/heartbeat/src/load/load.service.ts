import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import { BoundedHeap } from '../connection/listing/bounded-heap.js';
import { idleMs } from '../connection/listing/connection-query.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { SECOND_MS } from '../node/second-timer.js';
import { containerUse } from '../base/container-memory.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { LoadSource } from '../node/load-state.js';
import { inSlices } from '../base/slices.js';
import { loadBySource, median, nextLevel, type Reading } from './load-ratio.js';
import { LoopDelay } from './loop-delay.js';

/** Number of readings; their median is the load. */
const READINGS = 5;
/** Share of all connections that is closed in one step while shedding, and the minimum number. */
const SHED_SHARE = 0.01;
const SHED_LEAST = 1;

/** The effect of the levels that turn clients away. */
const EFFECT = {
  refusing: 'new connections are rejected (503 overloaded)',
  shedding: 'new connections are rejected (503 overloaded), and the longest idle are closed with 1013',
};

/**
 * The load of this node: one ratio from 0 to 1, and its source. A higher ratio slows the heartbeat down, then admission refuses upgrades.
 * Above the highest mark the longest idle connections are closed, a few at a time.
 */
@Injectable()
export class LoadService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  readonly #delay = new LoopDelay();
  readonly #readings = new Map<LoadSource, number[]>();
  #utilisation: EventLoopUtilization = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();
  #readAt: number;
  /** Ends the work of every second. */
  #end: (() => void) | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {
    this.#readAt = node.clock.now();
  }

  /** 0 (idle) to 1 (full). */
  get ratio(): number {
    return this.node.load.ratio;
  }

  /** The source of the ratio: the one with the highest value. */
  get source(): LoadSource {
    return this.node.load.source;
  }

  /** The ratio by source. */
  get bySource(): ReadonlyMap<LoadSource, number> {
    return this.node.loadBySource;
  }

  onApplicationBootstrap(): void {
    // The start of the application is no load.
    this.#read();
    this.#end = this.node.seconds.every(() => this.step(this.#read()));
  }

  onApplicationShutdown(): void {
    this.#end?.();
    this.#end = null;
    this.#delay.stop();
  }

  /** Adds a reading, and applies the resulting level. @internal */
  step(reading: Reading): void {
    for (const [source, ratio] of loadBySource(reading, this.node.options.load.source)) {
      const last = this.#readings.get(source) ?? Array.from({ length: READINGS }, () => 0);
      this.#readings.set(source, [...last, ratio].slice(-READINGS));
    }
    this.node.loadBySource = new Map(Array.from(this.#readings, ([source, values]) => [source, median(values)]));
    let highest: { source: LoadSource; ratio: number } = { source: 'event-loop', ratio: 0 };
    for (const [source, ratio] of this.bySource) if (ratio > highest.ratio) highest = { source, ratio };
    this.#set(highest.source, highest.ratio);
    if (this.node.load.shedding && !this.node.draining) this.#shed();
  }

  #set(source: LoadSource, ratio: number): void {
    const before = this.node.load;
    const level = nextLevel(before.level, ratio, this.node.limits);
    const shedding = level === 'shedding';
    this.node.load = { ratio, source, level, refusing: shedding || level === 'refusing', shedding };
    if (level === before.level) return;
    const text = `load is ${level}, was ${before.level}: ${ratio.toFixed(2)} by ${source}`;
    if (this.node.load.refusing) this.#logger.warn(`${text}; ${EFFECT[shedding ? 'shedding' : 'refusing']}`);
    else this.#logger.log(text);
    this.events.announce({ type: 'load-changed', ratio, source, level });
  }

  /** Closes the longest idle connections, which lose the least. */
  #shed(): void {
    let open = 0;
    for (const { state } of this.connections.all()) if (state !== 'closing') open++;
    const longest = new BoundedHeap(Math.max(SHED_LEAST, Math.ceil(open * SHED_SHARE)), 'asc');
    for (const connection of this.connections.all()) {
      if (connection.state === 'closing') continue;
      // The longest idle time sorts first; among equals the connection that was opened first. A connection with work is not idle.
      const idle = connection.hasWork ? 0 : idleMs(connection, this.node.attendedMs);
      longest.offer(-idle, connection, connection.serial);
    }
    const { closeCode: code } = this.node.options.load;
    const { name } = CloseCodes.overloaded;
    const { ratio, source } = this.node.load;
    void inSlices(longest.sorted(), ({ connection }) =>
      connection.end({ code, reason: name, by: 'server' }, { kind: 'shed', ratio, source }, this.node.retryAfterMs()),
    );
  }

  #read(): Reading {
    const now = this.node.clock.now();
    const elapsedMs = Math.max(1, now - this.#readAt);
    this.#readAt = now;
    const utilisation = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(utilisation, this.#utilisation);
    this.#utilisation = utilisation;
    const used = process.cpuUsage(this.#cpu);
    this.#cpu = process.cpuUsage();
    const { used_heap_size: heapUsed, heap_size_limit: heapLimit } = getHeapStatistics();
    return {
      loopDelayMs: this.#delay.read(utilization, elapsedMs - SECOND_MS),
      loopUtilisation: utilization,
      cpu: (used.user + used.system) / 1000 / elapsedMs,
      heap: heapUsed / heapLimit,
      memory: containerUse(),
    };
  }
}
