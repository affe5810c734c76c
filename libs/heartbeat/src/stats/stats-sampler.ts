import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { clientNetwork } from '../base/network-address.js';
import { ConnectionService } from '../connection/connection.service.js';
import { HeartbeatEvents, REFUSAL_REASONS } from '../connection/heartbeat.events.js';
import { LiveBytes } from '../connection/live-bytes.js';
import { OutboundPolicy } from '../connection/ports.js';
import { NodeState } from '../node/node-state.js';
import { RecentKeys } from '../node/recent-keys.js';
import { columnsFor } from './columns.js';
import { ColumnReader, HistogramReader, takeHalf } from './increases.js';
import { SecondGrid } from './second-grid.js';
import { StatsHistory } from './stats-history.js';
import type { StatsTotals } from './stats.types.js';

/** The bytes of all connections are read every second up to this number of them, less often for more, and at least every 5 s. */
const CONNECTIONS_A_SECOND = 2000;
const MAX_SECONDS = 5;

/**
 * Samples this node once a second. Nothing is counted for it on the way of a message or a ping: it reads the totals that exist. Refused
 * upgrades are counted by their events.
 */
@Injectable()
export class StatsSampler implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly history: StatsHistory;
  /** Refused upgrades of the last minutes by client network, and by user where it was known. */
  readonly refusals = { ip: new RecentKeys(), user: new RecentKeys() };
  readonly #grid: SecondGrid;
  readonly #reader: ColumnReader;
  readonly #rtt: HistogramReader;
  readonly #lag: HistogramReader;
  readonly #refused: Record<string, number> = Object.fromEntries(REFUSAL_REASONS.map(reason => [reason, 0]));
  readonly #bytes: LiveBytes;
  /** The bytes at the last reading, and its second. */
  #traffic = { in: 0, out: 0 };
  #trafficAt: number;
  #isReading = false;
  readonly #subscription: Subscription;
  /** Ends the work of every second. */
  #end: (() => void) | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    outbound: OutboundPolicy,
    events: HeartbeatEvents,
  ) {
    const { clock, totals } = node;
    const now = clock.now();
    this.#grid = new SecondGrid(now, clock.wallTime(now).getTime());
    this.#trafficAt = Math.floor(now / 1000);
    const columns = columnsFor(Object.keys(totals.closed.counts));
    this.#reader = new ColumnReader(columns, { node, connections, outbound, refused: this.#refused });
    this.#rtt = new HistogramReader(totals.rttMs);
    this.#lag = new HistogramReader(totals.latenessMs);
    this.history = new StatsHistory(columns, this.#trafficAt);
    this.#bytes = new LiveBytes(connections, totals.closed);
    this.#subscription = events.ofType('refused').subscribe(({ reason, ip, userId }) => {
      this.#refused[reason]!++;
      const at = clock.now();
      this.refusals.ip.add(clientNetwork(ip, node.options.limits.ipv6PrefixBits), at);
      if (userId !== undefined) this.refusals.user.add(userId, at);
    });
  }

  onApplicationBootstrap(): void {
    this.#end = this.node.seconds.every(() => void this.sample());
  }

  /** Nest's last hook, so that a drain is sampled. */
  onApplicationShutdown(): void {
    this.#end?.();
    this.#end = null;
    this.#subscription.unsubscribe();
  }

  /** The time of the samples at a monotonic time, in milliseconds: their seconds are its whole seconds. */
  gridTime(now: number): number {
    return this.#grid.timeOf(now);
  }

  /** Since the start of this node. */
  get totals(): StatsTotals {
    const { closed, messagesIn, messagesOut } = this.node.totals;
    const refused = Object.values(this.#refused).reduce((sum, count) => sum + count, 0);
    return {
      connections: this.connections.count,
      opened: this.connections.openedCount,
      closed: closed.durations.count,
      refused,
      messagesIn,
      messagesOut,
      bytesIn: this.#traffic.in,
      bytesOut: this.#traffic.out,
    };
  }

  /** Takes one sample; resolves when its bytes are known. */
  async sample(): Promise<void> {
    const { clock } = this.node;
    const now = clock.now();
    const { second, isDouble } = this.#grid.next(now, clock.wallTime(now).getTime());
    const values = this.#reader.take();
    const histograms = { rtt: this.#rtt.take(), lag: this.#lag.take() };
    if (isDouble) {
      this.history.add(second - 1, { values: takeHalf(this.#reader.columns, values), histograms: NO_VALUES });
    }
    this.history.add(second, { values, histograms });
    const everyS = Math.min(MAX_SECONDS, Math.ceil(this.connections.count / CONNECTIONS_A_SECOND));
    if (!this.#isReading && second - this.#trafficAt >= everyS) await this.#readBytes(second);
  }

  async #readBytes(second: number): Promise<void> {
    this.#isReading = true;
    try {
      const traffic = await this.#bytes.read();
      this.history.addLate(second, [traffic.in - this.#traffic.in, traffic.out - this.#traffic.out]);
      this.#traffic = { ...traffic };
      this.#trafficAt = second;
    } finally {
      this.#isReading = false;
    }
  }
}

/** The histograms of a second without a value. */
const NO_VALUES = { rtt: [], lag: [] };
