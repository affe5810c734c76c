/** Spans and metrics by OpenTelemetry, with its real SDK and exporters in memory; and nothing where no SDK is registered. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway } from '@nestjs/websockets';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionService, DrainService, type HeartbeatOptions } from 'nestjs-heartbeat';
import { ReaperService } from '../../libs/heartbeat/src/liveness/reaper.service.js';
import { until } from '../support/assert/until.js';
import { TestApp } from '../support/servers/app.js';

@WebSocketGateway({ path: '/ws' })
class Gateway {}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const traceparent = `00-${TRACE}-${PARENT}-01`;

let spans: InMemorySpanExporter;
let provider: BasicTracerProvider;

function registerTracer(): void {
  spans = new InMemorySpanExporter();
  provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
}

const start = (options: HeartbeatOptions = {}): Promise<TestApp> => TestApp.start({ gateways: [Gateway], options });
const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter(span => span.name === name);

afterEach(async () => {
  await TestApp.closeAll();
  trace.disable();
  context.disable();
  propagation.disable();
  metrics.disable();
  await provider?.shutdown();
});

describe('with a tracer', () => {
  beforeEach(registerTracer);

  it('an upgrade is a span of the server, whose parent the request names; application code runs in it', async () => {
    const inside: (string | undefined)[] = [];
    const authenticate = async (): Promise<{ userId: string }> => {
      inside.push(trace.getActiveSpan()?.spanContext().spanId);
      await sleep(1);
      inside.push(trace.getActiveSpan()?.spanContext().spanId);
      return { userId: 'ann' };
    };
    const app = await start({ authenticate });
    await app.opened({ path: '/ws?token=secret', headers: { traceparent, 'User-Agent': 'x'.repeat(1000) } });
    const [span] = named('websocket.upgrade');
    expect(span?.spanContext().traceId).toBe(TRACE);
    expect(span?.parentSpanContext?.spanId).toBe(PARENT);
    expect(inside).toEqual([span?.spanContext().spanId, span?.spanContext().spanId]);
    expect(span?.attributes).toMatchObject({
      'url.path': '/ws',
      'http.response.status_code': 101,
      'client.address': '127.0.0.1',
      'user_agent.original': 'x'.repeat(256),
    });
    expect(JSON.stringify(span?.attributes)).not.toContain('secret');
  });

  it.each<[string, HeartbeatOptions, number, string, number]>([
    ['its identity', { authenticate: ({ url }) => (url === '/ws' ? null : 'anonymous') }, 401, 'unauthenticated', 0],
    ['a full node', { limits: { maxConnections: 1 } }, 503, 'at-capacity', 2],
  ])('a refusal because of %s ends the span with its status and reason', async (_, options, status, reason, code) => {
    const app = await start(options);
    await app.opened({ path: '/ws?first' });
    expect((await app.client().open()).status).toBe(status);
    const [, span] = named('websocket.upgrade');
    expect(span?.attributes).toMatchObject({
      'http.response.status_code': status,
      'nestjs_heartbeat.refused': reason,
    });
    expect(span?.status.code).toBe(code);
  });

  it('a client that leaves while authenticate is pending ends its span with 499, once', async () => {
    let asked = 0;
    const app = await start({
      authenticate: (_, signal) =>
        new Promise(resolve => {
          asked++;
          signal.addEventListener('abort', () => resolve(null));
        }),
    });
    const client = app.client();
    const answer = client.open().catch(() => null);
    await until(() => asked === 1);
    client.socket.resetAndDestroy();
    await answer;
    await until(() => named('websocket.upgrade').length === 1);
    expect(named('websocket.upgrade')[0]?.attributes['http.response.status_code']).toBe(499);
  });

  it('a kick is a span within that of its caller', async () => {
    const app = await start();
    await app.opened();
    const [{ id } = { id: '' }] = app.connections.list().items;
    const caller = provider.getTracer('application').startSpan('support');
    context.with(trace.setSpan(context.active(), caller), () => app.app.get(ConnectionService).kick(id, { by: 'ann' }));
    const [span] = named('websocket.kick');
    expect(span?.parentSpanContext?.spanId).toBe(caller.spanContext().spanId);
    expect(span?.attributes).toMatchObject({
      'nestjs_heartbeat.connection': id,
      'nestjs_heartbeat.by': 'ann',
      'websocket.close_code': 4500,
    });
  });

  it('a drain and a run of the reaper are spans from their beginning to their end', async () => {
    const app = await start();
    await app.opened();
    await app.app.get(ReaperService).run();
    await app.app.get(DrainService).start('test');
    expect(named('websocket.reaper')[0]?.attributes).toEqual({ 'nestjs_heartbeat.connections': 1 });
    expect(named('websocket.drain')[0]?.attributes).toMatchObject({
      'nestjs_heartbeat.connections': 1,
      'nestjs_heartbeat.reason': 'test',
      'nestjs_heartbeat.total': 1,
      'nestjs_heartbeat.terminated': 0,
    });
  });
});

describe('without a tracer', () => {
  it('nothing is recorded, and one that is registered later is used from then on', async () => {
    const app = await start();
    await app.opened();
    registerTracer();
    expect(named('websocket.upgrade')).toEqual([]);
    await app.opened();
    expect(named('websocket.upgrade')).toHaveLength(1);
  });

  it('no event is created for telemetry alone', async () => {
    const app = await start();
    expect((['opened', 'closed', 'pong'] as const).filter(type => app.events.isWanted(type))).toEqual([]);
  });
});

describe('with a meter provider', () => {
  it('collects what the node counts', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const meters = new MeterProvider({ readers: [reader] });
    metrics.setGlobalMeterProvider(meters);
    const app = await start({ limits: { maxConnections: 2 } });
    const [one] = [await app.opened(), await app.opened()];
    await app.client().open();
    one?.close(1000);
    await until(() => app.connections.count === 1);
    await meters.forceFlush();
    const found = new Map<string, MetricData>();
    for (const { scopeMetrics } of exporter.getMetrics())
      for (const { metrics: all } of scopeMetrics) for (const metric of all) found.set(metric.descriptor.name, metric);
    const points = (name: string) =>
      found.get(`websocket.server.${name}`)?.dataPoints.map(({ value, attributes }) => [value, attributes]);
    expect(points('active_connections')).toEqual(
      Object.entries({ ws: 1, 'socket.io': 0, 'graphql-ws': 0, other: 0 }).map(([name, count]) => [
        count,
        { 'websocket.transport': name },
      ]),
    );
    expect(points('connections.opened')).toEqual([[2, {}]]);
    expect(points('connections.closed')).toEqual([[1, { 'websocket.close_code': '1000', by: 'client' }]]);
    expect(points('upgrades.refused')).toEqual([[1, { reason: 'at-capacity' }]]);
    expect(points('connection.duration')).toMatchObject([[{ count: 1 }, { by: 'client' }]]);
    expect(points('heartbeat.interval')).toEqual([[25, {}]]);
    expect(points('io')?.every(([value]) => Number(value) > 0)).toBe(true);
    await TestApp.closeAll();
    await meters.shutdown();
  });
});
