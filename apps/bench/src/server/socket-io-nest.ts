import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type INestApplication, type ModuleMetadata, Module, type WebSocketAdapter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WebSocketGateway } from '@nestjs/websockets';
import { HeartbeatModule } from 'nestjs-heartbeat';
import { HeartbeatIoAdapter } from 'nestjs-heartbeat/socket.io';
import { type BenchServer, pongTimeoutOf, type ServerOrder } from './bench-server.js';
import { EchoGateway } from './echo.gateway.js';
import { heartbeatOptions } from './heartbeat-nest.js';

const MIN_PONG_MS = 2000;

/** Nest with its own adapter for Socket.IO. */
export async function startStockSocketIo(order: ServerOrder): Promise<BenchServer> {
  const { intervalMs: pingInterval } = order;
  // In a quick run the time of a pong would be so short that a busy machine loses clients while they open.
  const pingTimeout = Math.max(MIN_PONG_MS, pongTimeoutOf(pingInterval));
  const gateway = gatewayWith({ pingInterval, pingTimeout });
  return start(gateway, [], app => new IoAdapter(app));
}

/** This library with its adapter for Socket.IO, every feature switched on. */
export async function startHeartbeatSocketIo(order: ServerOrder): Promise<BenchServer> {
  // The clients open for so many seconds at full load that some would be refused.
  const source = { eventLoop: false, heap: false, memory: false, cpu: false };
  const imports = [HeartbeatModule.forRoot({ ...heartbeatOptions(order), load: { source } })];
  return start(gatewayWith({}), imports, app => new HeartbeatIoAdapter(app));
}

type Gateway = new () => EchoGateway;

/** WebSockets only, like the other servers. */
function gatewayWith(times: { readonly pingInterval?: number; readonly pingTimeout?: number }): Gateway {
  @WebSocketGateway({ transports: ['websocket'], serveClient: false, ...times })
  class SocketIoGateway extends EchoGateway {}
  return SocketIoGateway;
}

async function start(
  gateway: Gateway,
  imports: ModuleMetadata['imports'] & object,
  adapterOf: (app: INestApplication) => WebSocketAdapter,
): Promise<BenchServer> {
  @Module({ imports, providers: [gateway] })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
  app.useWebSocketAdapter(adapterOf(app));
  const http = (await app.listen(0, '127.0.0.1')) as HttpServer;
  return {
    port: (http.address() as AddressInfo).port,
    broadcast: text => void app.get(gateway).server?.emit('news', JSON.parse(text)),
  };
}
