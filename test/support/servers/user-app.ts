/**
 * An application as its author would write it, with the hooks that go wrong in such: slow, never ending, blocking. It prints
 * its address on stdout. The environment configures it:
 *
 *   PORT            0 for a free one
 *   OPTIONS         the library's options, as JSON
 *   SHUTDOWN_HOOKS  `exit` (the recommended line), `nest` (without `useProcessExit`) or `none`
 *   ON_START        what its `onModuleInit` does: nothing, `<ms>`, `never`
 *   ON_DESTROY      what its `onModuleDestroy` does: nothing, `<ms>`, `never`, `throw`, `block`
 */
import 'reflect-metadata';

import type { IncomingMessage } from 'node:http';
import { Injectable, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  Connection,
  CurrentConnection,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
  type TrackedSocket,
} from 'nestjs-heartbeat';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { type Observable, of } from 'rxjs';
import { NO_LOAD } from './no-load.js';

/** A thrown value need not be an error, nor have a text form. */
const THROWN: Readonly<Record<string, unknown>> = {
  'an object without a text': Object.create(null),
  'an error whose stack throws': Object.defineProperty(new Error('broken'), 'stack', { get: failAgain }),
  'an object that throws when it is shown': { [inspect.custom]: failAgain, toString: failAgain },
};

function failAgain(): never {
  throw new Error('its text has failed');
}

/** The `User-Agent` of each client. */
const agents = new WeakMap<Connection, string>();

/**
 * A client whose `User-Agent` is `<place>: <what>` fails the gateway: `<place>` is `handleConnection`, `handleDisconnect`, `disposer` or
 * `answer`, `<what>` a name of THROWN.
 */
function failIn(place: string, connection: Connection | undefined): void {
  const [wanted, what = ''] = (connection && agents.get(connection)?.split(': ')) ?? [];
  if (wanted === place) throw THROWN[what];
}

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  handleConnection({ connection }: TrackedSocket, { headers }: IncomingMessage): void {
    if (connection) agents.set(connection, headers['user-agent'] ?? '');
    failIn('handleConnection', connection);
  }

  handleDisconnect({ connection }: TrackedSocket): void {
    failIn('handleDisconnect', connection);
  }

  @SubscribeMessage('echo')
  echo(@CurrentConnection() connection: Connection, @MessageBody() data: unknown): object {
    connection.defer(() => failIn('disposer', connection));
    return {
      event: 'echo',
      get data() {
        failIn('answer', connection);
        return data;
      },
    };
  }

  /** The same as a stream of one answer. */
  @SubscribeMessage('stream')
  stream(@MessageBody() data: unknown): Observable<object> {
    return of({ event: 'stream', data });
  }
}

@Injectable()
class Hooks implements OnModuleInit, OnModuleDestroy {
  async onModuleInit(): Promise<void> {
    console.log('onModuleInit');
    await misbehave(process.env['ON_START']);
  }

  async onModuleDestroy(): Promise<void> {
    console.log('onModuleDestroy');
    await misbehave(process.env['ON_DESTROY']);
  }
}

async function misbehave(how = ''): Promise<void> {
  if (how === 'throw') throw new Error('a hook of the application failed');
  // A waiting program holds a resource, such as a socket to a database.
  if (how === 'never') await new Promise(() => setInterval(() => {}, 60_000));
  if (how === 'block') for (;;);
  await sleep(Number(how) || 0);
}

const { PORT = '0', OPTIONS = '{}', SHUTDOWN_HOOKS = 'exit' } = process.env;

// Nest calls the hooks of the root module before those of the modules that it imports.
@Module({
  imports: [HeartbeatModule.forRoot({ load: NO_LOAD, ...(JSON.parse(OPTIONS) as HeartbeatOptions) })],
  providers: [EchoGateway, Hooks],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { abortOnError: false });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
if (SHUTDOWN_HOOKS !== 'none') {
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: SHUTDOWN_HOOKS === 'exit' });
}
await app.listen(Number(PORT), '127.0.0.1');
console.log(`listening at ${await app.getUrl()}`);
