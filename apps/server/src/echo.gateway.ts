import type { Type } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException, type WsResponse } from '@nestjs/websockets';
import { Connection, ConnectionService, CurrentConnection } from 'nestjs-heartbeat';

/** The gateway to try things with. A factory, because a decorator needs the path when the class is made. */
export function createEchoGateway(path: string): Type<unknown> {
  @WebSocketGateway({ path })
  class EchoGateway {
    constructor(private readonly connections: ConnectionService) {}

    /** Answers with the same. */
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown): WsResponse {
      return { event: 'echo', data };
    }

    /** Sends to every connection, the sender's too; only for those who have said who they are. */
    @SubscribeMessage('broadcast')
    broadcast(@CurrentConnection() connection: Connection, @MessageBody() data: unknown): void {
      if (connection.userId === null) throw new WsException('Only an identified client may broadcast.');
      this.connections.broadcast({ event: 'broadcast', data });
    }
  }
  return EchoGateway;
}
