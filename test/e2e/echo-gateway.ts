/** A gateway that echoes, and questions to it. */
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { TrackedSocket } from 'nestjs-heartbeat';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
export class EchoGateway {
  readonly sockets: TrackedSocket[] = [];

  handleConnection(socket: TrackedSocket): void {
    this.sockets.push(socket);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}

/** The messages of a client once there are `count`. */
export async function answers(client: RawClient, count: number): Promise<unknown[]> {
  await until(() => client.messages.length >= count, {
    message: () => `${count} messages, got ${JSON.stringify(client.texts)}`,
  });
  return client.json;
}

/** Sends one event and resolves with the next message. */
export async function ask(client: RawClient, event: string, data?: unknown): Promise<unknown> {
  const before = client.messages.length;
  client.sendEvent(event, data);
  return (await answers(client, before + 1))[before];
}
