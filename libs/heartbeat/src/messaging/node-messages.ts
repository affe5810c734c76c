import { Injectable } from '@nestjs/common';
import type { z } from 'zod';

import { NodeState } from '../node/node-state.js';
import { ClusterMembership } from './cluster-membership.js';
import { decode, encode } from './wire.js';

interface Registration {
  readonly schema: z.ZodType;
  readonly handler: (body: never, from: string) => void;
}

/**
 * Messages between nodes, delivered at most once and not confirmed. Each rule registers the kinds that it sends. A message of an unknown
 * kind, or one that does not match its schema, is counted and dropped.
 */
@Injectable()
export class NodeMessages {
  readonly #kinds = new Map<string, Registration>();

  constructor(
    private readonly node: NodeState,
    private readonly membership: ClusterMembership,
  ) {
    membership.received.subscribe(text => this.#receive(text));
  }

  /**
   * Registers a kind of message. A node's own messages do not reach its handlers.
   * @param schema The fields beside `kind` and `from`.
   * @throws Error for a kind that already has a handler.
   */
  handle<Schema extends z.ZodType>(
    kind: string,
    schema: Schema,
    handler: (body: z.output<Schema>, from: string) => void,
  ): void {
    if (this.#kinds.has(kind)) throw new Error(`the message ${kind} has two handlers`);
    this.#kinds.set(kind, { schema, handler });
  }

  /** Sends a message to one node, or to all others. A failure is counted. */
  send(to: string | null, kind: string, body: object = {}): void {
    this.sendText(to, this.encode(kind, body));
  }

  /** Encodes a message for `sendText`. */
  encode(kind: string, body: object): string {
    return encode(kind, this.node.id, body);
  }

  /** Sends an encoded message. */
  sendText(to: string | null, text: string): void {
    this.membership.publish(to, text);
  }

  #receive(text: string): void {
    const message = decode(text);
    const registration = message === null ? undefined : this.#kinds.get(message.kind);
    const body = registration?.schema.safeParse(message);
    if (message === null || registration === undefined || !body?.success) return this.membership.failed('message');
    if (message.from !== this.node.id) registration.handler(body.data as never, message.from);
  }
}
