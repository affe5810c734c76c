/** Gateways with Nest's features for Socket.IO, for any adapter. */
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  Ack,
  BaseWsExceptionFilter,
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
} from '@nestjs/websockets';
import { from, map, type Observable, of, throwError } from 'rxjs';
import type { Namespace, Server, Socket } from 'socket.io';
import { freePort } from '../support/servers/free-port.js';

@Injectable()
class EvenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToWs().getData<number>() % 2 === 0;
  }
}

@Injectable()
class Doubling implements NestInterceptor {
  intercept(_context: ExecutionContext, handler: CallHandler<number>): Observable<number> {
    return handler.handle().pipe(map(value => value * 2));
  }
}

@Injectable()
class NumberPipe implements PipeTransform {
  transform(value: unknown): number {
    const number = Number(value);
    if (Number.isNaN(number)) throw new WsException('no number');
    return number;
  }
}

@Catch(RangeError)
class RangeFilter extends BaseWsExceptionFilter {
  override catch(error: Error, host: ArgumentsHost): void {
    host.switchToWs().getClient<Socket>().emit('filtered', error.message);
  }
}

/** The names of clients that have left. */
export const left: string[] = [];

@WebSocketGateway()
class MainGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  @WebSocketServer() server!: Server;

  afterInit(server: Server): void {
    server.use((socket, proceed) => {
      const { name } = socket.handshake.auth as { name?: string };
      if (name === 'mallory') return proceed(Object.assign(new Error('not you'), { data: { why: 'name' } }));
      socket.data = { name: name ?? 'no name' };
      proceed();
    });
  }

  handleConnection(client: Socket): void {
    client.emit('welcome', (client.data as { name: string }).name);
  }

  handleDisconnect(client: Socket): void {
    left.push((client.data as { name: string }).name);
  }

  @SubscribeMessage('return')
  answer(@MessageBody() data: unknown): object {
    return { event: 'answer', data };
  }

  @SubscribeMessage('ack')
  acknowledge(@MessageBody() data: unknown): unknown {
    return data;
  }

  @SubscribeMessage('ack-later')
  async later(@MessageBody() data: unknown): Promise<unknown> {
    await new Promise(resolve => setImmediate(resolve));
    return { data };
  }

  @SubscribeMessage('ack-by-hand')
  byHand(@MessageBody() data: string, @Ack() ack: (...values: unknown[]) => void): void {
    ack('by hand', data);
  }

  @SubscribeMessage('pick')
  pick(@MessageBody('name') name: string): object {
    return { event: 'answer', data: name };
  }

  @SubscribeMessage('several')
  several(@MessageBody() data: unknown): object {
    return { event: 'answer', data };
  }

  @SubscribeMessage('stream')
  stream(): Observable<object> {
    return from([1, 2, 3]).pipe(map(data => ({ event: 'answer', data })));
  }

  @SubscribeMessage('failing-stream')
  failingStream(): Observable<object> {
    return throwError(() => new WsException('the stream failed'));
  }

  @SubscribeMessage('nothing')
  nothing(): void {}

  @SubscribeMessage('id')
  id(@ConnectedSocket() client: Socket): unknown {
    return { id: client.id, rooms: [...client.rooms] };
  }

  @SubscribeMessage('throw')
  fail(): never {
    throw new WsException('refused');
  }

  @SubscribeMessage('throw-error')
  failBadly(): never {
    throw new Error('a secret');
  }

  @UseFilters(RangeFilter)
  @SubscribeMessage('throw-range')
  failInRange(): never {
    throw new RangeError('too far');
  }

  @UseGuards(EvenGuard)
  @SubscribeMessage('even')
  even(@MessageBody() data: number): object {
    return { event: 'answer', data };
  }

  @UsePipes(NumberPipe)
  @SubscribeMessage('number')
  number(@MessageBody() data: number): object {
    return { event: 'answer', data: data + 1 };
  }

  @UseInterceptors(Doubling)
  @SubscribeMessage('double')
  double(@MessageBody() data: number): Observable<number> {
    return of(data);
  }

  @SubscribeMessage('join')
  async join(@ConnectedSocket() client: Socket, @MessageBody() room: string): Promise<string> {
    await client.join(room);
    return 'joined';
  }

  @SubscribeMessage('say')
  say(@ConnectedSocket() client: Socket, @MessageBody() { room, text }: { room: string; text: string }): void {
    client.to(room).emit('said', text);
  }

  @SubscribeMessage('shout')
  shout(@MessageBody() text: string): void {
    this.server.emit('said', text);
  }

  @SubscribeMessage('ask')
  async ask(@ConnectedSocket() client: Socket): Promise<unknown> {
    return client.timeout(5000).emitWithAck('question', 'how?');
  }

  @SubscribeMessage('leave')
  leave(@ConnectedSocket() client: Socket): void {
    client.disconnect(true);
  }
}

@WebSocketGateway({ namespace: 'chat' })
class ChatGateway {
  @WebSocketServer() namespace!: Namespace;

  @SubscribeMessage('where')
  where(@ConnectedSocket() client: Socket): object {
    return { event: 'answer', data: [client.nsp.name, this.namespace.name] };
  }
}

@WebSocketGateway({ namespace: /^\/dynamic-\d+$/ as unknown as string })
class DynamicGateway {
  @SubscribeMessage('where')
  where(@ConnectedSocket() client: Socket): object {
    return { event: 'answer', data: client.nsp.name };
  }
}

@WebSocketGateway({ path: '/other/' })
class OtherPathGateway {
  @SubscribeMessage('where')
  where(): object {
    return { event: 'answer', data: 'the other path' };
  }
}

let scopes = 0;

@WebSocketGateway({ namespace: 'scoped' })
@Injectable({ scope: Scope.REQUEST })
class ScopedGateway {
  readonly #number = ++scopes;

  @SubscribeMessage('count')
  count(): object {
    return { event: 'answer', data: this.#number };
  }
}

export const OWN_PORT = await freePort();

@WebSocketGateway(OWN_PORT)
class OwnPortGateway {
  @SubscribeMessage('where')
  where(): object {
    return { event: 'answer', data: 'a port of its own' };
  }
}

export const GATEWAYS = [MainGateway, ChatGateway, DynamicGateway, OtherPathGateway, ScopedGateway, OwnPortGateway];
