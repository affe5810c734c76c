import { addAbortSignal, type Readable } from 'node:stream';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { closeReason } from '../protocol/close-code.js';
import type { Closing, Outgoing } from './connection.types.js';
import { reportDropped } from './dropped.js';
import { closedError, type Ended, goodbye, payloadOf } from './payload.js';
import type { SharedMessage } from './shared-message.js';
import type { Sent, Transport } from './transport.js';

/** The path of all messages: the connection asks the policy and counts, then the transport writes. */
interface Sender {
  readonly channel: Transport;
  admits(kind: Outgoing, bytes: number): boolean;
  beforePong(): void;
}

/** Sends text or bytes as they are. */
export function transmit(sender: Sender, kind: Outgoing, data: string | Buffer, sent?: Sent): void {
  const { channel } = sender;
  // The transport reports to the caller if it is closed, also where the admission of the message has closed it.
  if (!channel.isOpen || sender.admits(kind, Buffer.byteLength(data))) channel.write(data, null, sent);
  else reportDropped(sent);
}

/** Sends a message of the application. Resolves when its bytes have left the buffers of this process. */
export function deliver(sender: Sender & Ended, data: unknown): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    transmit(sender, 'message', payloadOf(data), error => {
      if (error) reject(error instanceof HeartbeatError ? error : closedError(sender));
      else resolve();
    });
  });
}

/** Sends each piece of a stream as a message, at the rate of the peer, and destroys the stream when `signal` aborts. */
export async function deliverAll(sender: Sender & Ended, source: Readable, signal: AbortSignal): Promise<void> {
  // An error during the destruction of the source arrives after the last piece, when there is no other listener.
  source.on('error', () => undefined);
  for await (const piece of addAbortSignal(signal, source)) await deliver(sender, piece);
}

/** Sends a broadcast to one connection. */
export function transmitShared(sender: Sender, message: SharedMessage): void {
  const { channel } = sender;
  if (!channel.isOpen || !sender.admits('shared', message.payload.length)) return;
  // The admission may have closed connections: this one, or one that a listener then closes.
  if (channel.isOpen) channel.writeShared(message);
}

/** Announces a close to a client of the application heartbeat, after pending broadcasts, and begins the closing handshake. */
export function announceClose(
  sender: Sender & { readonly appHeartbeat: boolean; catchUp(): void },
  { code, reason }: Closing,
  retryAfterMs?: number,
): void {
  sender.catchUp();
  if (sender.appHeartbeat) transmit(sender, 'event', goodbye(code, reason, retryAfterMs));
  sender.channel.shut(code, closeReason(reason, retryAfterMs));
}

/** Writes a frame without an answer, so that the end of a connection that is not read is detected. */
export function probe(sender: Sender): void {
  sender.beforePong();
  sender.channel.probe();
}
