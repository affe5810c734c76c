/**
 * An application whose handlers take time and use a resource that `onModuleDestroy` releases. At its end it writes its {@link WorkDone} to
 * the file RECORD. The library's options come as JSON in OPTIONS.
 */
import 'reflect-metadata';

import { Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { HeartbeatModule, type HeartbeatOptions, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NO_LOAD } from '../support/servers/no-load.js';

/** The record of the application. */
export interface WorkDone {
  /** Ids of messages whose handler has begun. */
  readonly begun: readonly string[];
  /** The number of handlers that needed the resource after its release. */
  readonly tooLate: number;
}

@Injectable()
class Resource implements OnModuleDestroy {
  isReleased = false;

  onModuleDestroy(): void {
    this.isReleased = true;
  }
}

const begun: string[] = [];
let tooLate = 0;

@WebSocketGateway({ path: '/ws' })
class WorkGateway {
  constructor(private readonly resource: Resource) {}

  @SubscribeMessage('work')
  async work(@MessageBody() { id, ms }: { readonly id: string; readonly ms: number }): Promise<object> {
    begun.push(id);
    await sleep(ms);
    if (this.resource.isReleased) tooLate++;
    return { event: 'done', data: id };
  }
}

// The hooks of this module run before those of the modules that it imports.
@Module({
  imports: [
    HeartbeatModule.forRoot({ load: NO_LOAD, ...(JSON.parse(process.env['OPTIONS'] ?? '{}') as HeartbeatOptions) }),
  ],
  providers: [Resource, WorkGateway],
})
class AppModule {}

process.on('exit', () => writeFileSync(process.env['RECORD']!, JSON.stringify({ begun, tooLate } satisfies WorkDone)));
const app = await NestFactory.create(AppModule, { abortOnError: false, logger: ['log', 'warn', 'error'] });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
await app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1');
console.log(`listening at ${await app.getUrl()}`);
