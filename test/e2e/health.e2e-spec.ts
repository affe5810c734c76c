import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { DrainService, HeartbeatHealthIndicator, HeartbeatService } from 'nestjs-heartbeat';
import type { Clock } from 'nestjs-heartbeat/tooling';

import { TestApp } from '../support/servers/app.js';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class Gateway {}

afterEach(() => TestApp.closeAll());

const routes = ['/health', '/health/live', '/health/ready', '/health/startup'];

describe('the health routes', () => {
  it.each(routes)('GET and HEAD %s are 200 on an idle node, and never cached', async path => {
    const { port } = await TestApp.start({ gateways: [Gateway] });
    const get = await ask({ port, path });
    expect(get).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(get.json).toMatchObject({ status: 'ok', error: {} });
    expect(get.json.info).toEqual(get.json.details);
    const head = await ask({ port, path, method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '', headers: { 'cache-control': 'no-store' } });
  });

  it('say which indicators there are', async () => {
    const { port } = await TestApp.start({ gateways: [Gateway] });
    const { json } = await ask({ port, path: '/health' });
    expect(json.details).toMatchObject({
      heartbeat: { status: 'up', intervalMs: 25_000 },
      readiness: { status: 'up', connections: 0, maxConnections: 10_000 },
      startup: { status: 'up' },
    });
  });

  it('are at the path that the app chose, or nowhere', async () => {
    const moved = await TestApp.start({ options: { routes: { health: '/status' } } });
    expect((await ask({ port: moved.port, path: '/status/ready' })).status).toBe(200);
    expect((await ask({ port: moved.port, path: '/health' })).status).toBe(404);
    await moved.close();
    const none = await TestApp.start({ options: { routes: { health: false } } });
    expect((await ask({ port: none.port, path: '/health' })).status).toBe(404);
  });
});

describe('while draining', () => {
  it('ready is 503 at once with its reason, live stays 200', async () => {
    const running = await TestApp.start({ gateways: [Gateway], options: { drain: { readinessDelayMs: 400 } } });
    const { port } = running;
    await running.opened();
    const drained = running.app.get(DrainService).start('a test');
    const ready = await ask({ port, path: '/health/ready' });
    expect(ready.status).toBe(503);
    expect(ready.json).toMatchObject({
      status: 'error',
      info: {},
      error: { readiness: { status: 'down', reasons: ['draining'], message: 'draining', remaining: 1 } },
    });
    expect((await ask({ port, path: '/health/ready', method: 'HEAD' })).status).toBe(503);
    expect((await ask({ port, path: '/health' })).status).toBe(503);
    expect((await ask({ port, path: '/health/live' })).status).toBe(200);
    expect((await ask({ port, path: '/health/startup' })).status).toBe(200);
    await drained;
  });
});

describe('at capacity', () => {
  const limits = { maxConnections: 2 };

  it('ready is 503 with its reason, until a slot is free', async () => {
    const running = await TestApp.start({ gateways: [Gateway], options: { limits } });
    const { port } = running;
    const [first] = await Promise.all([running.opened(), running.opened()]);
    const full = await ask({ port, path: '/health/ready' });
    expect(full.status).toBe(503);
    expect(full.json.error.readiness).toMatchObject({ reasons: ['at-capacity'], connections: 2, maxConnections: 2 });
    expect((await ask({ port, path: '/health/live' })).status).toBe(200);
    first.close(1000);
    await until(async () => (await ask({ port, path: '/health/ready' })).status === 200);
  });

  it('ready stays 200 where the option demands it', async () => {
    const options = { limits, health: { notReadyAtCapacity: false } };
    const running = await TestApp.start({ gateways: [Gateway], options });
    await Promise.all([running.opened(), running.opened()]);
    expect((await ask({ port: running.port, path: '/health/ready' })).status).toBe(200);
  });
});

describe('before the app has bootstrapped', () => {
  /** Lets the server listen while the app's own bootstrap hooks still run. */
  @Injectable()
  class EarlyListener implements OnApplicationBootstrap {
    readonly statuses: Record<string, number> = {};
    constructor(private readonly host: HttpAdapterHost) {}

    async onApplicationBootstrap(): Promise<void> {
      const server = this.host.httpAdapter.getHttpServer() as Server;
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      for (const path of routes) this.statuses[path] = (await ask({ port, path })).status;
      await new Promise(resolve => server.close(resolve));
    }
  }

  it('ready and startup are 503, live is 200', async () => {
    const running = await TestApp.start({ gateways: [Gateway], providers: [EarlyListener] });
    const statuses = { '/health': 503, '/health/live': 200, '/health/ready': 503, '/health/startup': 503 };
    expect(running.app.get(EarlyListener).statuses).toEqual(statuses);
  });
});

describe('live', () => {
  it('is 200 right after the loop stood still for longer than a stopped tick is allowed', async () => {
    const { app, port } = await TestApp.start({ gateways: [Gateway] });
    const blocker = createServer(socket => {
      socket.once('data', () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5500);
        socket.destroy();
      });
    }).listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const trigger = new RawClient({ port: (blocker.address() as AddressInfo).port });
    const client = new RawClient({ port });
    const accepted = [once(blocker, 'connection'), once(app.getHttpServer() as Server, 'connection')];
    await Promise.all([trigger.connect(), client.connect(), ...accepted]);
    // The poll phase that follows begins to watch the accepted sockets.
    for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
    // Both are read in one poll phase: the loop stands still at the first, and then the second comes before any timer.
    trigger.sendRaw('now');
    client.sendRaw('GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect((await client.answer).status).toBe(200);
    await trigger.ended;
    blocker.close();
    client.destroy();
  });

  it('is 503 once the tick has stopped', async () => {
    let ahead = 0;
    const clock: Clock = { now: () => performance.now() + ahead, wallTime: moment => new Date(moment) };
    const running = await TestApp.start({ gateways: [Gateway], clock });
    running.app.get(HeartbeatService).onApplicationShutdown();
    ahead = 5100;
    const { status, json } = await ask({ port: running.port, path: '/health/live' });
    expect(status).toBe(503);
    expect(json.error.heartbeat.message).toMatch(/tick has stopped 5\d\d\d ms ago/);
  });
});

describe('HeartbeatHealthIndicator', () => {
  it('is there for an application’s own checks', async () => {
    const running = await TestApp.start({ gateways: [Gateway] });
    const health = running.app.get(HeartbeatHealthIndicator);
    expect(await health.live('loop')).toMatchObject({ loop: { status: 'up' } });
    expect(health.ready('room')).toMatchObject({ room: { status: 'up' } });
  });
});
