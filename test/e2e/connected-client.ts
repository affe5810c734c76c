/** An application with one client, and the server's side of both. */
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type Connection, CurrentConnection, type TrackedSocket } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
export class EchoGateway {
  readonly sockets: TrackedSocket[] = [];
  readonly held: (Connection | undefined)[] = [];

  handleConnection(socket: TrackedSocket): void {
    this.sockets.push(socket);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown, @CurrentConnection() connection: Connection) {
    this.held.push(connection);
    return { event: 'echo', data };
  }
}

/** An app, one client, and the server's side of both. */
export async function startWithClient(options: object = {}, client: object = {}) {
  const app = await TestApp.start({ gateways: [EchoGateway], options });
  const opened = await app.opened(client);
  const gateway = app.app.get(EchoGateway);
  await until(() => gateway.sockets.length === 1);
  const [socket] = gateway.sockets as [TrackedSocket];
  return { app, client: opened, socket, connection: socket.connection, gateway };
}
