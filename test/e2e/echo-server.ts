/**
 * A server to be stopped and continued: the library with an echoing gateway, as a process of its own. `OPTIONS` holds the
 * module's options as JSON; the event `closed` answers which connections have closed, and how.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { ConnectionService, HeartbeatModule, type HeartbeatOptions, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { NO_LOAD } from '../support/servers/no-load.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  constructor(private readonly connections: ConnectionService) {}

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }

  @SubscribeMessage('closed')
  closed() {
    return { event: 'closed', data: this.connections.closedHistory().map(({ code }) => code) };
  }
}

@Module({
  imports: [
    HeartbeatModule.forRoot({ load: NO_LOAD, ...(JSON.parse(process.env['OPTIONS'] ?? '{}') as HeartbeatOptions) }),
  ],
  providers: [EchoGateway],
})
class ServerModule {}

const app = await NestFactory.create(ServerModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
await app.listen(0, '127.0.0.1');
process.stdout.write(`listening at ${(await app.getUrl()).replace('[::1]', '127.0.0.1')}\n`);
