import type { WsMessageHandler } from '@nestjs/common';
import { type Observable, Subscription } from 'rxjs';
import type { Socket } from 'socket.io';

import type { Connection } from '../../connection/connection.js';
import { isSilenced } from '../../connection/silence.js';
import { connectionOfClient } from './session-of.js';

type Ack = (answer: unknown) => void;
type Transform = (answer: unknown) => Observable<unknown>;

/** The data of an event, as Nest's `IoAdapter` passes it: one value, or all where there are several; and the client's acknowledgement. */
interface Received {
  readonly data: unknown;
  readonly ack: Ack | undefined;
}

/** The bound handlers of Nest's gateways, for the sockets of one adapter. */
export class MessageHandlers {
  /** The answers that have not ended, by socket. */
  readonly #answers = new WeakMap<Socket, Subscription>();

  /** @param failed Handles errors of handlers and of their answers. */
  constructor(private readonly failed: (what: string, error: unknown) => void) {}

  bind(socket: Socket, handlers: readonly WsMessageHandler[], transform: Transform): void {
    const answers = this.#answersOf(socket);
    for (const { message, callback, isAckHandledManually = false } of handlers) {
      const answer = (ack: Ack | undefined, value: unknown) => {
        if (value === undefined || value === null) return;
        const { event, data } = value as { readonly event?: string; readonly data?: unknown };
        if (event) socket.emit(event, data);
        else if (!isAckHandledManually && ack) ack(value);
      };
      socket.on(message, (...given: unknown[]) => {
        const connection = connectionOfClient(socket);
        // After the server has begun to close the connection, no further message is handled.
        if (connection && isSilenced(connection)) return;
        const { data, ack } = receivedOf(given);
        const failed = (error: unknown) => this.failed(`the handler of ${JSON.stringify(message)}`, error);
        try {
          const result: unknown = callback(data, ack);
          void countWork(connection, result);
          const stream = transform(result).subscribe({
            next: value => {
              // An error must not reach RxJS, which would end the process.
              try {
                answer(ack, value);
              } catch (error) {
                failed(error);
              }
            },
            error: failed,
            complete: () => answers.remove(stream),
          });
          if (!stream.closed) answers.add(stream);
        } catch (error) {
          failed(error);
        }
      });
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

/** A connection with a running handler is not idle. */
async function countWork(connection: Connection | undefined, result: unknown): Promise<void> {
  if (connection === undefined || !(result instanceof Promise)) return;
  connection.inFlight++;
  await Promise.allSettled([result]);
  connection.inFlight--;
}
