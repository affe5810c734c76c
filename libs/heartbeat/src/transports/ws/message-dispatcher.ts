import { Injectable } from '@nestjs/common';
import { isObservable } from 'rxjs';

import type { Connection } from '../../connection/connection.js';
import { REFUSED } from '../../connection/history/flight-note.js';
import { NodeState } from '../../node/node-state.js';
import { InboundService } from '../../flow/inbound.service.js';
import type { RawMessage } from '../../flow/message-queue.js';
import { transmit } from '../../connection/sending.js';
import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import type { RoutingTable } from './routing-table.js';
import type { MessageHandler } from './socket-listeners.js';

/** A parsed message; `event` selects the handlers. */
export interface Message {
  readonly event?: unknown;
  readonly data?: unknown;
}

/**
 * Parses input into a message, like that of `WsAdapter`: text is a string, binary a Buffer. A result of undefined drops it silently. An
 * error is logged.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- the type that WsAdapter's parsers have
export type MessageParser = (data: any) => Message | void;

/** Number of characters of an unknown event's name that are shown. */
const MAX_SHOWN = 64;
const NOT_JSON = 'The message is not JSON of the form {"event": "<name>", "data": <any>}.';
/** Maximum size of an application heartbeat. */
const MAX_HEARTBEAT_BYTES = 256;

/** The handlers of a connection: its socket, with its bound handlers and the table of its path. */
export interface Handlers {
  readonly routes: RoutingTable | undefined;
  readonly handlers: readonly MessageHandler[];
}

/** Passes each message to the handlers of the app, at most `maxInFlight` at once for a connection, and sends their answers. */
@Injectable()
export class MessageDispatcher {
  constructor(
    private readonly node: NodeState,
    private readonly inbound: InboundService,
    private readonly events: HeartbeatEvents,
  ) {}

  /**
   * Handles a message, at once or in its turn.
   * @param parse The app's own parser; undefined for JSON `{ event, data }`.
   * @returns False if the message is not admitted: the server had already begun to close the connection, or the message exceeds the rate.
   */
  dispatch(connection: Connection, to: Handlers, message: RawMessage, parse: MessageParser | undefined): boolean {
    if (!this.inbound.admit(connection)) return false;
    const now = this.node.clock.now();
    if (this.inbound.mayTake(connection, now)) {
      this.#take(connection, message, now, to, parse);
      return true;
    }
    // It marks the peer alive now, regardless of when it is handled.
    connection.pulse.messageCame(this.node.attendedMs, now);
    if (!parse && this.inbound.isSuspended(connection) && this.#isHeartbeat(message, to)) {
      this.#take(connection, message, now, to);
      return true;
    }
    return this.inbound.wait(connection, message, (waited, at) => this.#take(connection, waited, at, to, parse));
  }

  // Creates no object for each message.
  #take(connection: Connection, raw: RawMessage, now: number, to: Handlers, parse?: MessageParser): void {
    const { routes: table, handlers } = to;
    if (table === undefined) return connection.countReceived(now);
    const message = this.#read(raw, table, parse);
    if (message?.event === this.node.options.heartbeat.event && !parse)
      return this.#heartbeat(connection, message.data);
    connection.countReceived(now);
    this.node.totals.messagesIn++;
    if (message === undefined || table.isEmpty) return;
    if (message === null) return this.#refuse(connection, 'not-json', NOT_JSON);
    const positions = table.positionsOf(message.event);
    if (positions === undefined) {
      if (parse) return;
      const name = nameOf(message.event);
      return this.#refuse(
        connection,
        'unknown-event',
        `No handler for the event ${name}. Known events: ${table.events.join(', ')}.`,
      );
    }
    for (const position of positions) {
      const handler = handlers[position];
      if (handler) this.inbound.run(connection, () => this.#handle(connection, handler, message));
    }
  }

  /** Runs one handler to its end, and handles all of its errors. */
  async #handle(connection: Connection, handler: MessageHandler, { data, event }: Message): Promise<void> {
    try {
      const answer = await handler(data, event);
      if (!isObservable(answer)) return this.#answer(connection, await answer);
      const { maxStreams } = this.node.options.limits;
      if ((connection.lifetime?.streams ?? 0) >= maxStreams) {
        connection.note(REFUSED['too-many-streams']);
        return this.#except(connection, tooManyStreams(maxStreams));
      }
      const stream = answer.subscribe({
        next: value => this.#answerNext(connection, event, value),
        error: error => this.#failed(connection, event, error),
      });
      if (!stream.closed) connection.hold(stream);
    } catch (error) {
      this.#failed(connection, event, error);
    }
  }

  /** Sends a value of a stream of answers. An error must not reach RxJS, which would end the process. */
  #answerNext(connection: Connection, event: unknown, value: unknown): void {
    try {
      this.#answer(connection, value);
    } catch (error) {
      this.#failed(connection, event, error);
    }
  }

  #answer(connection: Connection, answer: unknown): void {
    if (answer === undefined || answer === null || !connection.channel.isOpen) return;
    // Like with `WsAdapter`, an answer that JSON does not know, such as a function, is an empty message.
    transmit(connection, 'answer', JSON.stringify(answer) ?? '');
  }

  /** The application heartbeat, for clients that cannot see ping frames: docs/protocol.md. */
  #heartbeat(connection: Connection, data: unknown): void {
    connection.appHeartbeat = true;
    connection.pulse.messageCame(this.node.attendedMs, this.node.clock.now());
    if (!connection.channel.isOpen) return;
    const sentAt = (data as { sentAt?: unknown } | null | undefined)?.sentAt;
    const { options, intervalMs } = this.node;
    const answer = {
      sentAt: typeof sentAt === 'number' ? sentAt : null,
      connectionId: connection.id,
      intervalMs,
      timeoutMs: options.heartbeat.pongTimeoutMs,
    };
    transmit(connection, 'event', JSON.stringify({ event: options.heartbeat.event, data: answer }));
  }

  /** While a drain waits for work, the application heartbeat is answered and all other messages wait. */
  #isHeartbeat({ data }: RawMessage, { routes }: Handlers): boolean {
    if (routes === undefined || data.length > MAX_HEARTBEAT_BYTES) return false;
    return fromJson(data)?.event === this.node.options.heartbeat.event;
  }

  /** Null for input that is not a message. Undefined for input that is not parsed, or is dropped without an answer. */
  #read({ data, isBinary }: RawMessage, table: RoutingTable, parse?: MessageParser): Message | null | undefined {
    if (!table.isEmpty) return parse ? this.#parsed(data, isBinary, parse) : fromJson(data);
    // Where no gateway handles messages, frames may be of any kind; only the application heartbeat is recognised.
    if (parse || isBinary || data.length > MAX_HEARTBEAT_BYTES) return undefined;
    return fromJson(data);
  }

  #parsed(data: Buffer, isBinary: boolean, parse: MessageParser): Message | undefined {
    try {
      return parse(isBinary ? data : data.toString()) ?? undefined;
    } catch (error) {
      const text = "the application's message parser failed";
      this.node.applicationFailed('message-parser', error, 'the message parser failed', text);
      return undefined;
    }
  }

  /** Reports the fault to the sender, in the form that Nest's own filters use. */
  #refuse(connection: Connection, reason: 'not-json' | 'unknown-event', message: string): void {
    connection.note(REFUSED[reason]);
    this.events.announce({ type: 'message-refused', id: connection.id, reason });
    this.#except(connection, message);
  }

  #except(connection: Connection, message: string): void {
    if (!connection.channel.isOpen) return;
    transmit(connection, 'message', JSON.stringify({ event: 'exception', data: { status: 'error', message } }));
  }

  #failed(connection: Connection, event: unknown, error: unknown): void {
    const name = nameOf(event);
    const what = `the handler of ${name} failed`;
    this.node.applicationFailed('handler', error, what, `${what} for connection ${connection.id}`);
  }
}

/** The exception for an Observable above `limits.maxStreams`. */
export function tooManyStreams(maxStreams: number): string {
  return `This connection has reached its limit of ${maxStreams} streams of answers: end one first.`;
}

/** Null for a text that is not a JSON object. */
function fromJson(data: Buffer): Message | null {
  try {
    const message: unknown = JSON.parse(data.toString());
    return typeof message === 'object' && message !== null && 'event' in message ? message : null;
  } catch {
    return null;
  }
}

/** An event's name for display: short, and on one line for any input. */
function nameOf(event: unknown): string {
  if (typeof event === 'object' && event !== null) return 'that is an object';
  return JSON.stringify(`${event as string | number | boolean | null}`.slice(0, MAX_SHOWN));
}
