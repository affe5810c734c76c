import { randomUUID } from 'node:crypto';

import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { ClusterMembership } from './cluster-membership.js';
import {
  type ClusterMessage,
  encode,
  MAX_MESSAGE_BYTES,
  type Operation,
  OPERATIONS,
  type ReplyOf,
  type RequestOf,
} from './wire.js';

/** What one node said. */
export type Answer<Name extends Operation> =
  { readonly status: 'ok'; readonly body: ReplyOf<Name> } | { readonly status: 'timeout' | 'error' };

type Handler<Name extends Operation> = (body: RequestOf<Name>) => ReplyOf<Name> | Promise<ReplyOf<Name>>;
type Handlers = { readonly [Name in Operation]?: Handler<Name> };
type Reply = Extract<ClusterMessage, { kind: 'reply' }>;
type Request = Extract<ClusterMessage, { kind: 'request' }>;

interface Pending {
  readonly waitingFor: Set<string>;
  take(reply: Reply): void;
  finish(): void;
}

/** More questions at once would only be answered later. */
const MAX_PENDING = 1000;
/** Time for the heap snapshot of another node, which does nothing else meanwhile: about a second for every 10 MB. */
const SNAPSHOT_TIMEOUT_MS = 120_000;

/** Questions between nodes, each with a deadline. Nobody who asks is ever rejected or waits longer. */
@Injectable()
export class NodeRequests implements OnApplicationShutdown {
  readonly #pending = new Map<string, Pending>();
  #handlers: Handlers = {};

  constructor(
    private readonly node: NodeState,
    private readonly link: ClusterMembership,
  ) {
    link.messages.subscribe(message => {
      if (message.kind === 'reply') this.#pending.get(message.id)?.take(message);
      if (message.kind === 'request') void this.#answer(message);
    });
  }

  /** How this node answers; each rule adds its own operations. */
  answerWith(handlers: Handlers): void {
    this.#handlers = { ...this.#handlers, ...handlers };
  }

  onApplicationShutdown(): void {
    for (const { finish } of this.#pending.values()) finish();
  }

  /**
   * Asks nodes the same. Every one of them has an answer in the end, if only that there was none.
   * @param since When the asking began: what was spent on finding the nodes is part of the time for an answer.
   */
  async ask<Name extends Operation>(
    nodeIds: readonly string[],
    operation: Name,
    body: RequestOf<Name>,
    since = this.node.clock.now(),
  ): Promise<ReadonlyMap<string, Answer<Name>>> {
    const answers = new Map<string, Answer<Name>>(nodeIds.map(nodeId => [nodeId, { status: 'timeout' }]));
    if (nodeIds.length === 0 || this.#pending.size >= MAX_PENDING) return answers;
    const id = randomUUID();
    const waitingFor = new Set(nodeIds);
    await new Promise<void>(finish => {
      const spentMs = this.node.clock.now() - since;
      const timer = setTimeout(finish, this.#timeoutMs(operation) - spentMs);
      const take = ({ from, isFailed, body: given }: Reply) => {
        if (!waitingFor.delete(from)) return;
        const { success, data } = OPERATIONS[operation].reply.safeParse(given);
        if (!success && !isFailed) this.link.failed('message');
        answers.set(from, success && !isFailed ? { status: 'ok', body: data as ReplyOf<Name> } : { status: 'error' });
        if (waitingFor.size === 0) done();
      };
      const done = () => {
        clearTimeout(timer);
        finish();
      };
      this.#pending.set(id, { waitingFor, take, finish: done });
      const [only] = nodeIds;
      const to = nodeIds.length === 1 ? only! : null;
      this.link.send(to, { kind: 'request', from: this.node.id, id, operation, body });
    });
    this.#pending.delete(id);
    for (const { status } of answers.values()) if (status !== 'ok') this.link.failed('request');
    return answers;
  }

  #timeoutMs(operation: Operation): number {
    const { requestTimeoutMs } = this.node.options.cluster;
    return operation === 'heap-snapshot' ? Math.max(SNAPSHOT_TIMEOUT_MS, requestTimeoutMs) : requestTimeoutMs;
  }

  async #answer({ from, id, operation, body: given }: Request): Promise<void> {
    const known = this.#handlers[operation];
    if (known === undefined) return;
    const handler = known as Handler<Operation>;
    const { success, data } = OPERATIONS[operation].request.safeParse(given);
    if (!success) return this.link.failed('message');
    const reply = (isFailed: boolean, body: unknown): ClusterMessage => {
      return { kind: 'reply', from: this.node.id, id, isFailed, body };
    };
    try {
      const text = encode(reply(false, await handler(data)));
      const isTooLong = text.length > MAX_MESSAGE_BYTES;
      const sent = isTooLong ? encode(reply(true, 'the answer is too long for one message')) : text;
      if (operation === 'heap-snapshot') await this.link.deliver(from, sent);
      else this.link.sendText(from, sent);
    } catch (error) {
      this.link.failed('request', error);
      this.link.send(from, reply(true, 'the node failed to answer'));
    }
  }
}
