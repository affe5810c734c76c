/** An application whose clients may not read. */
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import type { Connection } from '../../libs/heartbeat/src/connection/connection.js';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';

export const SECOND = 1000;
export const KIB = 1024;
export const MIB = 1024 * KIB;

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

export function start(options: HeartbeatOptions): Promise<TestApp> {
  return TestApp.start({ gateways: [Gateway], options });
}

/** The only connection of an app. */
export function only(app: TestApp): Connection {
  const [connection] = app.connections.all();
  if (connection === undefined) throw new Error('there is no connection');
  return connection;
}

/** Sends until `bytes` wait in this process, beyond what the kernel has taken. */
export async function backlog(connection: Connection, bytes: number, piece = 16 * KIB): Promise<void> {
  await until(() => {
    for (let i = 0; i < 32 && socketOf(connection).bufferedAmount < bytes; i++)
      socketOf(connection).send(Buffer.alloc(piece));
    return socketOf(connection).bufferedAmount >= bytes;
  });
}
