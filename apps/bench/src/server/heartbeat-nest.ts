import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ConnectionService,
  DrainService,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatService,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { monotonicMs } from '../../../loadtest/src/clock.js';
import { type BenchServer, pongTimeoutOf, type ServerOrder, VIEWER_TOKEN } from './bench-server.js';
import { EchoGateway } from './echo.gateway.js';

/** So that every check is made and none refuses. */
const PLENTY = 1_000_000;
const NEVER_MS = 3_600_000;

/** Every feature switched on. The interval is fixed, so that it equals that of the other servers. */
export function heartbeatOptions({ intervalMs, connections, drainSpreadMs }: ServerOrder): HeartbeatOptions {
  return {
    heartbeat: {
      intervalMs,
      minIntervalMs: intervalMs,
      maxIntervalMs: intervalMs,
      pongTimeoutMs: pongTimeoutOf(intervalMs),
      missedPongs: 2,
      adaptive: true,
    },
    drain: { spreadMs: drainSpreadMs },
    reaper: { idleTimeoutMs: NEVER_MS, maxLifetimeMs: NEVER_MS },
    limits: {
      maxConnections: connections + 1000,
      maxPerIp: connections,
      maxPerUser: connections,
      upgradesPerSecond: PLENTY,
      upgradesPerSecondPerIp: PLENTY,
      messagesPerSecond: PLENTY,
    },
    trustedProxies: ['10.0.0.0/8'],
    admin: { tokens: [{ token: VIEWER_TOKEN, role: 'viewer', name: 'bench' }] },
  };
}

/** This library with `ws`. */
export async function startHeartbeatNest(order: ServerOrder): Promise<BenchServer> {
  let users = 0;
  const options: HeartbeatOptions = {
    ...heartbeatOptions(order),
    ...(order.name === 'heartbeat-users' && { authenticate: () => ({ userId: `user-${(users += 1)}` }) }),
  };

  @Module({ imports: [HeartbeatModule.forRoot(options)], providers: [EchoGateway] })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  const http = (await app.listen(0, '127.0.0.1')) as Server;
  const [all, heartbeat, drain] = [app.get(ConnectionService), app.get(HeartbeatService), app.get(DrainService)];
  return {
    port: (http.address() as AddressInfo).port,
    broadcast: text => void all.broadcast(text),
    beat(on) {
      // The tick with all that hangs on it; attended time stands still meanwhile.
      heartbeat.onApplicationShutdown();
      if (on) heartbeat.onApplicationBootstrap();
    },
    drain() {
      const startedAt = monotonicMs();
      void drain.start('requested by the bench');
      return startedAt;
    },
  };
}
