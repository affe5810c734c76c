/** A server whose gateway echoes raw frames, with the limits opened as the conformance suite wants them. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { HeartbeatModule, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import type { WebSocket } from 'ws';

const MAX_BYTES = 16 * 1024 * 1024;

@WebSocketGateway({ path: '/ws', perMessageDeflate: true })
class RawGateway {
  handleConnection(client: WebSocket): void {
    client.on('message', (data, isBinary) => client.send(data as Buffer, { binary: isBinary }));
  }
}

@Module({
  imports: [
    HeartbeatModule.forRoot({
      limits: { maxMessageBytes: MAX_BYTES, maxFragments: 131_072, messageTimeoutMs: 60_000, pingsPerSecond: 0 },
      backpressure: { maxBufferedBytes: 2 * MAX_BYTES },
    }),
  ],
  providers: [RawGateway],
})
class WideModule {}

const app = await NestFactory.create(WideModule, { logger: ['error', 'warn'], abortOnError: false });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
await app.listen(0, '127.0.0.1');
process.stdout.write(`listening at ${(await app.getUrl()).replace('[::1]', '127.0.0.1')}\n`);
