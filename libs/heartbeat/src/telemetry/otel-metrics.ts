import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { BatchObservableCallback, Meter, Observable } from '@opentelemetry/api';
import { Subscription } from 'rxjs';

import { VERSION } from '../base/version.js';
import { countBusy, countByTransport } from '../connection/connection-counts.js';
import { ConnectionService } from '../connection/connection.service.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { LiveBytes } from '../connection/live-bytes.js';
import { OutboundService } from '../flow/outbound.service.js';
import { LoadService } from '../load/load.service.js';
import { NodeState } from '../node/node-state.js';
import { OPEN_TELEMETRY, type OpenTelemetry } from './open-telemetry.js';

/**
 * Metrics by OpenTelemetry, beside those of Prometheus. Numbers are read when the application's reader collects; the two histograms and the
 * refusals are recorded from events, which exist only while a meter provider is registered.
 */
@Injectable()
export class OtelMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #subscriptions = new Subscription();
  #stop: (() => void) | undefined;

  constructor(
    @Inject(OPEN_TELEMETRY) private readonly api: OpenTelemetry | null,
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly outbound: OutboundService,
    private readonly load: LoadService,
    private readonly events: HeartbeatEvents,
  ) {}

  /** The application registers its provider before it starts, as OpenTelemetry requires of it. */
  onApplicationBootstrap(): void {
    if (this.api === null) return;
    const meter = this.api.metrics.getMeter('nestjs-heartbeat', VERSION);
    if (meter.constructor === this.api.createNoopMeter().constructor) return;
    this.#record(meter);
    this.#observe(meter);
  }

  onApplicationShutdown(): void {
    this.#subscriptions.unsubscribe();
    this.#stop?.();
  }

  #record(meter: Meter): void {
    const duration = meter.createHistogram('websocket.server.connection.duration', {
      description: 'Durations of the connections that have ended.',
      unit: 's',
    });
    const rtt = meter.createHistogram('websocket.server.heartbeat.duration', {
      description: 'Times from a ping to its pong.',
      unit: 's',
    });
    const refused = meter.createCounter('websocket.server.upgrades.refused', {
      description: 'Upgrades that were refused.',
      unit: '{upgrade}',
    });
    this.#subscriptions.add(
      this.events.ofType('closed').subscribe(({ durationMs, by }) => duration.record(durationMs / 1000, { by })),
    );
    this.#subscriptions.add(
      this.events.ofType('pong').subscribe(({ rttMs }) => void (rttMs !== null && rtt.record(rttMs / 1000))),
    );
    this.#subscriptions.add(this.events.ofType('refused').subscribe(({ reason }) => refused.add(1, { reason })));
  }

  #observe(meter: Meter): void {
    const { totals } = this.node;
    const bytes = new LiveBytes(this.connections, totals.closed);
    const counter = (name: string, unit: string, description: string) =>
      meter.createObservableCounter(`websocket.server.${name}`, { unit, description });
    const level = (name: string, unit: string, description: string) =>
      meter.createObservableUpDownCounter(`websocket.server.${name}`, { unit, description });
    const gauge = (name: string, unit: string, description: string) =>
      meter.createObservableGauge(`websocket.server.${name}`, { unit, description });
    const read: [Observable, (observe: (value: number, attributes?: Record<string, string>) => void) => unknown][] = [
      [
        level('active_connections', '{connection}', 'Open connections.'),
        async observe => {
          for (const [transport, count] of Object.entries(await countByTransport(this.connections)))
            observe(count, { 'websocket.transport': transport });
        },
      ],
      [
        level('busy_connections', '{connection}', 'Connections with handlers in flight or leases in force.'),
        async observe => observe(await countBusy(this.connections)),
      ],
      [
        counter('connections.opened', '{connection}', 'Connections that were opened.'),
        observe => observe(this.connections.openedCount),
      ],
      [
        counter('connections.closed', '{connection}', 'Connections that have ended.'),
        observe => {
          for (const [code, sides] of Object.entries(totals.closed.counts))
            for (const [by, count] of Object.entries(sides))
              if (count > 0) observe(count, { 'websocket.close_code': code, by });
        },
      ],
      [
        counter('messages', '{message}', 'Application messages.'),
        observe => {
          observe(totals.messagesIn, RECEIVED);
          observe(totals.messagesOut, SENT);
        },
      ],
      [
        counter('io', 'By', 'Bytes on the network, frames and heartbeats included.'),
        async observe => {
          const { in: received, out: sent } = await bytes.read();
          observe(received, RECEIVED);
          observe(sent, SENT);
        },
      ],
      [
        counter('pings', '{ping}', 'Pings: answered, not needed, and not answered in time.'),
        observe => {
          observe(totals.pongsReceived, { outcome: 'answered' });
          observe(totals.pingsSkipped, { outcome: 'skipped' });
          observe(totals.pongsMissed, { outcome: 'missed' });
        },
      ],
      [level('buffered', 'By', 'Bytes that wait in this process.'), observe => observe(this.outbound.bufferedBytes)],
      [
        gauge('load', '1', 'The load of this node by source, from 0 to 1.'),
        observe => {
          for (const [source, ratio] of this.load.bySource) observe(ratio, { source });
        },
      ],
      [gauge('heartbeat.interval', 's', 'The interval in force.'), observe => observe(this.node.intervalMs / 1000)],
      [gauge('draining', '1', '1 in a drain, else 0.'), observe => observe(Number(this.node.draining))],
    ];
    const collect: BatchObservableCallback = async result => {
      for (const [instrument, observe] of read) {
        await observe((value, attributes) => result.observe(instrument, value, attributes));
      }
    };
    const instruments = read.map(([instrument]) => instrument);
    meter.addBatchObservableCallback(collect, instruments);
    this.#stop = () => meter.removeBatchObservableCallback(collect, instruments);
  }
}

const RECEIVED = { 'network.io.direction': 'receive' };
const SENT = { 'network.io.direction': 'transmit' };
