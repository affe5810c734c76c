/** An application whose gateway identifies its clients on request. */
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { type Authentication, Connection, CurrentConnection, type HeartbeatOptions } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }

  @SubscribeMessage('identify')
  identify(@CurrentConnection() connection: Connection) {
    connection.identify({ userId: 'ann' });
    return { event: 'identified' };
  }
}

export function start(options: HeartbeatOptions = {}): Promise<TestApp> {
  return TestApp.start({ gateways: [Gateway], options });
}

/** The user in the query. */
export function byQuery({ url = '' }: IncomingMessage): Authentication {
  const user = new URLSearchParams(url.split('?')[1]).get('user');
  return user === null ? 'anonymous' : { userId: user };
}

/** The end of the type of a problem. */
export function typeOf({ body }: { body: string }): string {
  return (JSON.parse(body) as { type: string }).type.replace(/^.*[/:#]/, '');
}
