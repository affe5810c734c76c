import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer, type WsResponse } from '@nestjs/websockets';
import type { WebSocket, WebSocketServer as Server } from 'ws';
import { Recipe } from './recipe.js';

/** The gateway of all servers with Nest, stock and ours. */
@WebSocketGateway({ path: '/ws' })
export class EchoGateway {
  @WebSocketServer()
  readonly server?: Server;

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): WsResponse {
    return { event: 'echo', data };
  }

  @SubscribeMessage('tell')
  tell(): void {}
}

/** The same with the recipe in it. */
@WebSocketGateway({ path: '/ws' })
export class RecipeGateway extends EchoGateway {
  recipe: Recipe | null = null;

  handleConnection(socket: WebSocket): void {
    this.recipe?.watch(socket);
  }
}
