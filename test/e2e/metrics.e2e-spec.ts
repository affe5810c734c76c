import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type IncomingMessage, request } from 'node:http';
import { Gauge, Registry } from 'prom-client';
import { map, type Observable } from 'rxjs';

import { AdminApp, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { beat, TestApp } from '../support/servers/app.js';
import { transportOf } from '../support/servers/fake-transport.js';
import { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): { event: string; data: unknown } {
    return { event: 'echo', data };
  }
}

@Injectable()
class OwnGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<IncomingMessage>().headers['x-who'] === 'boss';
  }
}

/** As in many apps: every response in an envelope. */
@Injectable()
class Envelope implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

/** Each client is another user. */
const authenticate = ({ url = '' }: IncomingMessage) => ({ userId: `user ${url}` });

afterEach(async () => {
  await AdminApp.closeAll();
  await TestApp.closeAll();
});

interface Scrape {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Requests over its own connection, so that nothing is left when the app closes. */
function scrape(
  port: number,
  path = '/metrics',
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Scrape> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, method, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode: status = 0, headers: answered } = response;
        resolve({ status, contentType: answered['content-type'] ?? '', text });
      });
    })
      .once('error', reject)
      .end();
  });
}

/** The lines that are values. */
const valuesIn = (text: string) => text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
const valuesOf = async (port: number) => valuesIn((await scrape(port)).text);
const valueOf = async (port: number, series: string) => {
  const line = (await valuesOf(port)).find(value => value.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.each(PLATFORMS)('GET /metrics on %s', (_, platform) => {
  it('is Prometheus text with the state of the node', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open();
    await admin.open();
    client.sendText('{}');
    client.close(4001, 'enough');
    await client.ended;
    const { status, contentType, text } = await until(async () => {
      const answer = await scrape(admin.port);
      return answer.text.includes('ws_connections 1\n') ? answer : null;
    });
    expect(status).toBe(200);
    const [type, ...parameters] = contentType.split(/; */);
    expect([type, ...parameters.toSorted()]).toEqual(['text/plain', 'charset=utf-8', 'version=0.0.4']);
    expect(text).toMatch(
      /^# HELP ws_connections_opened_total \S.*\n# TYPE ws_connections_opened_total counter\nws_connections_opened_total 2$/m,
    );
    expect(valuesIn(text)).toEqual(
      expect.arrayContaining([
        'ws_connections_closed_total{code="4001",by="client"} 1',
        'ws_connection_duration_seconds_count 1',
        'ws_messages_total{direction="in"} 1',
      ]),
    );
  });

  it('is OpenMetrics when asked for it, and text again for the next', async () => {
    const { port } = await AdminApp.start(platform);
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3';
    const { contentType, text } = await scrape(port, '/metrics', { accept });
    expect(contentType).toMatch(/^application\/openmetrics-text;/);
    expect(contentType).toContain('version=1.0.0');
    expect(text).toMatch(/^# TYPE ws_connections_opened counter\nws_connections_opened_total 0$/m);
    expect(text).toMatch(/\n# EOF\n$/);
    expect((await scrape(port)).text).toMatch(/^# TYPE ws_connections_opened_total counter$/m);
  });

  it('answers HEAD', async () => {
    const { port } = await AdminApp.start(platform);
    expect(await scrape(port, '/metrics', {}, 'HEAD')).toMatchObject({ status: 200, text: '' });
  });

  it('requires a viewer’s token with metrics.guarded', async () => {
    const { port } = await AdminApp.start(platform, { admin: { tokens: TOKENS }, metrics: { guarded: true } });
    for (const headers of [{}, bearer('wrong')]) {
      const { status, contentType, text } = await scrape(port, '/metrics', headers);
      expect(status).toBe(401);
      expect(contentType).toMatch(PROBLEM);
      expect(text).not.toContain('ws_connections');
    }
    expect((await scrape(port, '/metrics', bearer('see'))).status).toBe(200);
    expect((await scrape(port, '/metrics', bearer('do'))).status).toBe(200);
  });

  it('calls the app’s own guard where it has one', async () => {
    const options = { metrics: { guarded: true }, adminGuard: OwnGuard };
    const { port } = await AdminApp.start(platform, options);
    expect(await scrape(port)).toMatchObject({ status: 403, contentType: expect.stringMatching(PROBLEM) });
    expect((await scrape(port, '/metrics', { 'x-who': 'boss' })).status).toBe(200);
  });

  it('requires none otherwise', async () => {
    const { port } = await AdminApp.start(platform);
    expect((await scrape(port)).status).toBe(200);
  });

  it('stays what it is in an app that puts its answers into envelopes', async () => {
    const { port } = await AdminApp.start(platform, {}, app => app.useGlobalInterceptors(new Envelope()));
    expect((await scrape(port)).text).toMatch(/^# HELP/);
  });
});

describe('the metrics', () => {
  it('are at the path that the app chose, or nowhere', async () => {
    const moved = await TestApp.start({ options: { routes: { metrics: '/internal/metrics' } } });
    expect((await scrape(moved.port, '/internal/metrics')).status).toBe(200);
    expect((await scrape(moved.port)).status).toBe(404);
    await moved.close();
    const none = await TestApp.start({ options: { routes: { metrics: false } } });
    expect((await scrape(none.port)).status).toBe(404);
  });

  it('are as many series after 2,000 different users, paths and agents, and every close code there is', async () => {
    // The clients are in this process, and what they cost is no load of the server.
    const source = { eventLoop: false, heap: false, memory: false, cpu: false };
    const { port } = await start({ gateways: [EchoGateway], options: { authenticate, load: { source } } });
    const series = async () => (await valuesOf(port)).map(line => line.slice(0, line.lastIndexOf(' ')));
    const before = await series();
    const count = 2000;
    const refused = new Set<number>();
    let next = 0;
    const oneByOne = async () => {
      for (let i = next++; i < count; i = next++) {
        const from = { port, headers: { 'User-Agent': `agent-${i}` }, localAddress: `127.0.1.${1 + (i % 200)}` };
        const client = await RawClient.opened({ ...from, path: `/ws?${i}` });
        client.sendText(JSON.stringify({ event: `event-${i}` }));
        // Each code that a client may choose.
        client.close(3000 + (i % 2000));
        await client.ended;
        refused.add((await new RawClient({ ...from, path: `/path-${i}` }).open()).status);
      }
    };
    await Promise.all(Array.from({ length: 50 }, oneByOne));
    expect(await series()).toEqual(before);
    expect([...refused]).toEqual([404]);
    expect(await valueOf(port, 'ws_connections_opened_total')).toBe(count);
    const closed = (await valuesOf(port)).filter(line => line.startsWith('ws_connections_closed_total'));
    expect(closed.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)).toBe(count);
    expect(await valueOf(port, 'ws_upgrades_refused_total{reason="no-such-path"}')).toBe(count);
    expect(await valueOf(port, 'ws_messages_refused_total{reason="unknown-event"}')).toBe(count);
  }, 240_000);

  it('tell of the heartbeat, and never count bytes twice or backwards', async () => {
    const { port, app } = await start({ gateways: [EchoGateway], options: { heartbeat: beat(200, 100) } });
    const client = await app.opened();
    client.sendText(JSON.stringify({ event: 'echo', data: 'x'.repeat(1000) }));
    await until(async () => ((await valueOf(port, 'ws_pongs_received_total')) ?? 0) >= 3);
    expect(await valueOf(port, 'ws_heartbeat_interval_seconds')).toBe(0.2);
    expect(await valueOf(port, 'ws_heartbeat_rtt_seconds_count')).toBeGreaterThanOrEqual(3);
    expect(await valueOf(port, 'ws_heartbeat_lateness_seconds_count')).toBeGreaterThan(5);
    expect(await valueOf(port, 'ws_messages_total{direction="out"}')).toBe(1);
    const living = (await valueOf(port, 'ws_bytes_total{direction="in"}'))!;
    expect(living).toBeGreaterThan(1000);
    client.destroy();
    await until(async () => (await valueOf(port, 'ws_connections')) === 0);
    const dead = (await valueOf(port, 'ws_bytes_total{direction="in"}'))!;
    expect(dead).toBeGreaterThanOrEqual(living);
    expect(dead).toBeLessThan(2 * living);
  });

  it('stand beside the app’s own in the registry that it gives, and leave it at the end', async () => {
    const registry = new Registry();
    registry.registerMetric(new Gauge({ name: 'app_orders', help: 'Orders.', registers: [] }));
    for (let boot = 0; boot < 2; boot++) {
      const { port, app } = await start({ options: { metrics: { registry, prefix: 'chat_' } } });
      expect(await valuesOf(port)).toEqual(expect.arrayContaining(['app_orders 0', 'chat_connections 0']));
      await app.close();
      expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(['app_orders']);
    }
  });

  it('do not meet those of another app in the process', async () => {
    const [first, second] = [await start({ gateways: [EchoGateway] }), await start({ gateways: [EchoGateway] })];
    await second.app.opened();
    expect(await valueOf(first.port, 'ws_connections')).toBe(0);
    expect(await valueOf(second.port, 'ws_connections')).toBe(1);
    // Together: each watches for what is left of all that was made after its start, by whichever of them.
    await Promise.all([second.app.close(), first.app.close()]);
  });

  it('refuse the start where their names are taken, and say what to do', async () => {
    const registry = new Registry();
    registry.registerMetric(new Gauge({ name: 'ws_connections', help: 'Another’s.', registers: [] }));
    await expect(start({ options: { metrics: { registry } } })).rejects.toThrow(
      /metrics\.prefix is "ws_" but .* "ws_connections" already: give each HeartbeatModule a prefix or a registry of its own/,
    );
  });

  it('are scraped in under 50 ms with 15,000 connections', async () => {
    const count = 15_000;
    const { port, app } = await start({ options: { limits: { maxConnections: count } }, gateways: [EchoGateway] });
    const { connections } = app;
    await Promise.all(Array.from({ length: 100 }, () => app.opened()));
    const real = [...connections.all()];
    // A connection costs the scrape the reading of its socket; many of them share one, since to open them is not what is measured.
    const sharing = Array.from({ length: count - real.length }, (_, i) => {
      const socket = real[i % real.length]!;
      const transport = transportOf(
        {},
        {
          get bytesRead() {
            return socket.bytesIn;
          },
          get bytesWritten() {
            return socket.bytesOut;
          },
        },
      );
      return connections.open({ transport, path: '/ws', ip: '127.0.0.1', userAgent: null, identity: null });
    });
    const times: number[] = [];
    for (let i = 0; i < 11; i++) {
      // Of this process's own time: what other programs of the machine take meanwhile is not the scrape's.
      const before = process.cpuUsage();
      await scrape(port);
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1000);
    }
    const open = await valueOf(port, 'ws_connections');
    for (const connection of sharing) connections.closed(connection, 1000, '');
    expect(open).toBe(count);
    const [median = Infinity] = times.toSorted((one, next) => one - next).slice(5);
    expect(median).toBeLessThan(50);
  });
});

async function start(options: Parameters<typeof TestApp.start>[0]) {
  const app = await TestApp.start(options);
  return { app, port: app.port };
}
