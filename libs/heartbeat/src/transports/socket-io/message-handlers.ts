import type { WsMessageHandler } from '@nestjs/common';
import { isObservable, type Observable, Subscription } from 'rxjs';
import type { Socket } from 'socket.io';

import type { Connection } from '../../connection/connection.js';
import { isSilenced } from '../../connection/silence.js';
import type { InboundService } from '../../flow/inbound.service.js';
import { tooManyStreams } from '../ws/message-dispatcher.js';
import { connectionOfClient } from './session-of.js';

type Ack = (answer: unknown) => void;
type Transform = (answer: unknown) => Observable<unknown>;

/** The data of an event, as Nest's `IoAdapter` passes it: one value, or all where there are several; and the client's acknowledgement. */
interface Received {
  readonly data: unknown;
  readonly ack: Ack | undefined;
}

/** One event for one handler. */
interface Call extends Received {
  readonly socket: Socket;
  readonly handler: WsMessageHandler;
  readonly transform: Transform;
  /** Those of the socket. */
  readonly answers: Subscription;
}

/** The bound handlers of Nest's gateways, for the sockets of one adapter. */
export class MessageHandlers {
  /** The answers that have not ended, by socket. */
  readonly #answers = new WeakMap<Socket, Subscription>();

  /** @param failed Handles errors of handlers and of their answers. */
  constructor(
    private readonly inbound: InboundService,
    private readonly maxStreams: number,
    private readonly failed: (what: string, error: unknown) => void,
  ) {}

  bind(socket: Socket, handlers: readonly WsMessageHandler[], transform: Transform): void {
    const answers = this.#answersOf(socket);
    for (const handler of handlers) {
      socket.on(handler.message, (...given: unknown[]) => {
        const call = { socket, handler, transform, answers, ...receivedOf(given) };
        const connection = connectionOfClient(socket);
        if (connection === undefined) void this.#handle(call, undefined);
        else this.inbound.join(connection, () => this.#handle(call, connection));
      });
    }
  }

  /** Runs one handler to its end, and handles all of its errors. */
  async #handle(call: Call, connection: Connection | undefined): Promise<void> {
    // After the server has begun to close the connection, no further message is handled.
    if (connection && isSilenced(connection)) return;
    const { socket, handler, transform, answers, data, ack } = call;
    const failed = (error: unknown) => this.failed(`the handler of ${JSON.stringify(handler.message)}`, error);
    try {
      const result: unknown = await handler.callback(data, ack);
      if (answers.closed) return;
      // Answered before the handler counts as ended, so that a drain sends it before the close.
      if (!isObservable(result)) return answer(call, result);
      const isStream = connection !== undefined;
      if (isStream && (connection.lifetime?.streams ?? 0) >= this.maxStreams)
        return void socket.emit('exception', { status: 'error', message: tooManyStreams(this.maxStreams) });
      const stream = transform(result).subscribe({
        next: value => {
          // An error must not reach RxJS, which would end the process.
          try {
            answer(call, value);
          } catch (error) {
            failed(error);
          }
        },
        error: failed,
      });
      if (stream.closed) return;
      answers.add(stream);
      if (isStream) connection.hold(stream);
    } catch (error) {
      failed(error);
    }
  }

  #answersOf(socket: Socket): Subscription {
    const known = this.#answers.get(socket);
    if (known) return known;
    const answers = new Subscription();
    this.#answers.set(socket, answers);
    socket.once('disconnect', () => answers.unsubscribe());
    return answers;
  }
}

function receivedOf(given: readonly unknown[]): Received {
  const last = given.at(-1);
  const [ack, values] = typeof last === 'function' ? [last as Ack, given.slice(0, -1)] : [undefined, given];
  // Nest passes a list also for an acknowledgement alone with several values, and one value by itself.
  return { data: values.length > 1 ? values : values[0], ack };
}

function answer({ socket, handler, ack }: Call, value: unknown): void {
  if (value === undefined || value === null) return;
  const { event, data } = value as { readonly event?: string; readonly data?: unknown };
  if (event) socket.emit(event, data);
  else if (!handler.isAckHandledManually && ack) ack(value);
}
