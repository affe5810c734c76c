import { randomUUID } from 'node:crypto';

import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { z } from 'zod';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { wireId } from '../base/wire-values.js';
import { NodeState } from '../node/node-state.js';
import { ClusterMembership } from './cluster-membership.js';
import { NodeMessages } from './node-messages.js';
import { MAX_MESSAGE_BYTES } from './wire.js';

/** The reply of one node, or the reason why there is none. */
export type Outcome<Reply> = { readonly status: 'ok'; readonly body: Reply } | { readonly status: 'timeout' | 'error' };

/** The content of a request and of its reply. A node of an older or newer version checks them against its own schemas. */
export interface RequestSchemas<Request extends z.ZodType, Reply extends z.ZodType> {
  readonly request: Request;
  readonly reply: Reply;
  /**
   * Time for a reply that takes longer than `cluster.requestTimeoutMs`. Such a reply is sent repeatedly until Redis has it, since the work
   * may have stalled the node. Default: `cluster.requestTimeoutMs`, and a reply is sent once.
   */
  readonly timeoutMs?: number;
}

/** A registered request, ready to be sent. */
export interface NodeRequest<Request extends z.ZodType, Reply extends z.ZodType> {
  /**
   * Sends the request to other nodes. Never rejects: each node has an outcome by the deadline.
   * @param since The start of the deadline, which includes the search for the nodes. Default: now.
   */
  send(
    nodeIds: readonly string[],
    body: z.input<Request>,
    since?: number,
  ): Promise<ReadonlyMap<string, Outcome<z.output<Reply>>>>;
  /**
   * The reply of one node; for this node without a message.
   * @param since As for `send`.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) without a reply in time.
   */
  sendToOne(nodeId: string, body: z.input<Request> & z.output<Request>, since?: number): Promise<z.output<Reply>>;
}

interface Operation extends RequestSchemas<z.ZodType, z.ZodType> {
  readonly handler: (body: never) => unknown;
}

interface Pending {
  take(from: string, received: z.output<typeof reply>): void;
  finish(): void;
}

/** Maximum of pending requests. More would only be answered too late. */
const MAX_PENDING = 1000;

export const request = z.object({ id: wireId, operation: z.string().max(100), body: z.unknown() });
export const reply = z.object({ id: wireId, isFailed: z.boolean(), body: z.unknown() });

/** Requests between nodes, each with a deadline. Each rule registers its own: name, schemas and handler. */
@Injectable()
export class NodeRequests implements OnApplicationShutdown {
  readonly #pending = new Map<string, Pending>();
  readonly #operations = new Map<string, Operation>();

  constructor(
    private readonly node: NodeState,
    private readonly membership: ClusterMembership,
    private readonly messages: NodeMessages,
  ) {
    messages.handle('reply', reply, (message, from) => this.#pending.get(message.id)?.take(from, message));
    messages.handle('request', request, (message, from) => void this.#reply(message, from));
  }

  /**
   * Registers a request that this node handles, and returns a function that sends it.
   * @param name Its name on the wire.
   * @throws Error for a name that already has a handler.
   */
  handle<Request extends z.ZodType, Reply extends z.ZodType>(
    name: string,
    schemas: RequestSchemas<Request, Reply>,
    handler: (body: z.output<Request>) => z.output<Reply> | Promise<z.output<Reply>>,
  ): NodeRequest<Request, Reply> {
    if (this.#operations.has(name)) throw new Error(`the request ${name} has two handlers`);
    this.#operations.set(name, { ...schemas, handler });
    const send: NodeRequest<Request, Reply>['send'] = (nodeIds, body, since = this.node.clock.now()) =>
      this.#send(name, schemas, { nodeIds, body, since });
    const sendToOne: NodeRequest<Request, Reply>['sendToOne'] = async (nodeId, body, since) => {
      if (nodeId === this.node.id) return handler(body);
      const outcome = (await send([nodeId], body, since)).get(nodeId);
      if (outcome?.status === 'ok') return outcome.body;
      throw nodeSilent(nodeId);
    };
    return { send, sendToOne };
  }

  onApplicationShutdown(): void {
    for (const { finish } of this.#pending.values()) finish();
  }

  async #send<Reply extends z.ZodType>(
    operation: string,
    schemas: RequestSchemas<z.ZodType, Reply>,
    { nodeIds, body, since }: { nodeIds: readonly string[]; body: unknown; since: number },
  ): Promise<ReadonlyMap<string, Outcome<z.output<Reply>>>> {
    const outcomes = new Map<string, Outcome<z.output<Reply>>>(nodeIds.map(nodeId => [nodeId, { status: 'timeout' }]));
    if (nodeIds.length === 0 || this.#pending.size >= MAX_PENDING) return outcomes;
    const id = randomUUID();
    const waitingFor = new Set(nodeIds);
    await new Promise<void>(resolve => {
      const spentMs = this.node.clock.now() - since;
      const timer = setTimeout(resolve, Math.max(0, this.#timeoutMs(schemas) - spentMs));
      const finish = () => {
        clearTimeout(timer);
        resolve();
      };
      const take: Pending['take'] = (from, { isFailed, body: given }) => {
        if (!waitingFor.delete(from)) return;
        const { success, data } = schemas.reply.safeParse(given);
        if (!success && !isFailed) this.membership.failed('message');
        outcomes.set(from, success && !isFailed ? { status: 'ok', body: data } : { status: 'error' });
        if (waitingFor.size === 0) finish();
      };
      this.#pending.set(id, { take, finish });
      const [only] = nodeIds;
      const to = nodeIds.length === 1 ? only! : null;
      this.messages.send(to, 'request', { id, operation, body });
    });
    this.#pending.delete(id);
    for (const { status } of outcomes.values()) if (status !== 'ok') this.membership.failed('request');
    return outcomes;
  }

  #timeoutMs({ timeoutMs = 0 }: Pick<Operation, 'timeoutMs'>): number {
    return Math.max(timeoutMs, this.node.options.cluster.requestTimeoutMs);
  }

  async #reply({ id, operation, body: given }: z.output<typeof request>, to: string): Promise<void> {
    const known = this.#operations.get(operation);
    const body = known?.request.safeParse(given);
    if (known === undefined || !body?.success) return this.membership.failed('message');
    const encoded = (isFailed: boolean, content: unknown) =>
      this.messages.encode('reply', { id, isFailed, body: content });
    try {
      const text = encoded(false, await known.handler(body.data as never));
      const isTooLong = text.length > MAX_MESSAGE_BYTES;
      const sent = isTooLong ? encoded(true, 'the reply is too long for one message') : text;
      if (known.timeoutMs === undefined) this.messages.sendText(to, sent);
      else await this.membership.deliver(to, sent);
    } catch (error) {
      this.membership.failed('request', error);
      this.messages.sendText(to, encoded(true, 'the node failed to reply'));
    }
  }
}

export function nodeSilent(node: string): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_NODE_SILENT', `the node ${node} does not respond: try again in a moment`);
}
