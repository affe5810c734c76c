import { type Type, UseFilters } from '@nestjs/common';
import {
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import { ClusterService, Connection, CurrentConnection } from 'nestjs-heartbeat';

import { type ClientTokens, SUBPROTOCOL } from './client-tokens.js';

/**
 * The gateway to try things with. A factory, because a decorator needs the path when the class is made.
 * @param tokens Null where clients are anonymous.
 */
export function createEchoGateway(path: string, tokens: ClientTokens | null): Type<unknown> {
  @WebSocketGateway({ path, handleProtocols: chooseSubprotocol })
  class EchoGateway {
    constructor(private readonly cluster: ClusterService) {}

    /** Returns the message unchanged. */
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown): WsResponse {
      return { event: 'echo', data };
    }

    /** Sends to every connection of the cluster, the sender included; only for identified clients. */
    @SubscribeMessage('broadcast')
    broadcast(@CurrentConnection() connection: Connection, @MessageBody() data: unknown): void {
      if (connection.userId === null) throw new WsException('Only an identified client may broadcast.');
      this.cluster.broadcast({ event: 'broadcast', data });
    }

    /** A connection ends with its token, unless its client sends a newer one of the same user in time. A refused token is not returned. */
    @SubscribeMessage('renew')
    @UseFilters(new BaseWsExceptionFilter({ includeCause: false }))
    async renew(
      @CurrentConnection() connection: Connection,
      @MessageBody('token') token: unknown,
    ): Promise<WsResponse> {
      if (tokens === null) throw new WsException('This server takes no tokens.');
      const identity = typeof token === 'string' ? await tokens.identityOf(token) : null;
      if (identity === null)
        throw new WsException('The token is not valid: send {"event":"renew","data":{"token":"<JWT>"}}.');
      if (connection.userId !== null && connection.userId !== identity.userId) {
        throw new WsException("The token is another user's: open a new connection for it.");
      }
      connection.identify(identity);
      const { expiresAt } = identity;
      return {
        event: 'renewed',
        data: { expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString() },
      };
    }
  }
  return EchoGateway;
}

/** Never the one that carries a token: what is chosen is sent back. */
function chooseSubprotocol(offered: Set<string>): string | false {
  return offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false;
}
