import type { ServerResponse } from 'node:http';

import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { tooManyStreams } from '../http/problem.exception.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeState } from '../node/node-state.js';
import { EventLog } from './event-log.js';
import type { EventSelection } from './event-page.js';
import { EventPolls } from './event-polls.js';
import type { EventPositions } from './event-position.js';
import { EventStream, type NodesSeen } from './event-stream.js';

/** Maximum of streams that one node serves. */
const MAX_STREAMS = 32;
/** Advised delay where there are too many, in seconds; and the least delay after the end of a node, in milliseconds. */
const BUSY_S = 10;
const MIN_RETRY_MS = 1000;

/** The events that a reader requests. */
export interface StreamRequest extends EventSelection {
  /** The id or the name of the only node. Default: all. */
  readonly node?: string | undefined;
  /** Where the stream continues. */
  readonly positions: EventPositions;
}

interface OpenStream {
  readonly stream: EventStream;
  readonly node: string | undefined;
}

/** The event streams that this node serves. They end with the process; a drain does not end them. */
@Injectable()
export class EventStreams implements BeforeApplicationShutdown {
  readonly #streams = new Set<OpenStream>();
  readonly #departures: Subscription;
  #endTurns: (() => void) | null = null;
  #isReading = false;
  #hasEnded = false;

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly directory: NodeDirectory,
    private readonly log: EventLog,
    private readonly polls: EventPolls,
  ) {
    this.#departures = directory.departures.subscribe(nodeId => {
      for (const { stream } of this.#streams) stream.left(nodeId);
    });
  }

  /**
   * Checks that one more stream can begin.
   * @throws ProblemException 503 `too-many-streams`.
   */
  assertRoom(): void {
    if (this.#streams.size < MAX_STREAMS) return;
    const detail = `The node already serves ${MAX_STREAMS} event streams: close one, or connect to another node.`;
    throw tooManyStreams(detail, BUSY_S);
  }

  /** Serves a stream by a response that has begun. */
  begin(response: ServerResponse, { types, filter, node, positions }: StreamRequest): void {
    const settings = { response, selection: { types, filter }, positions, ownId: this.node.id };
    const stream = new EventStream({
      ...settings,
      read: (nodeId, request) => this.polls.read(nodeId, request),
      now: this.node.clock.now(),
    });
    const opened: OpenStream = { stream, node };
    this.#streams.add(opened);
    if (this.#hasEnded) return this.#end(stream);
    response.once('close', () => this.#streams.delete(opened));
    this.#endTurns ??= this.node.seconds.every(() => this.#turn());
    void this.#update();
  }

  /** After the drain, and before Nest waits for the end of all responses. */
  beforeApplicationShutdown(): void {
    this.#hasEnded = true;
    this.#departures.unsubscribe();
    this.#endTurns?.();
    this.log.close();
    for (const { stream } of this.#streams) this.#end(stream);
  }

  #end(stream: EventStream): void {
    const retryMs = Math.max(MIN_RETRY_MS, this.node.retryAfterMs());
    stream.end(after => this.log.read({ ...stream.selection, after }), retryMs);
  }

  #turn(): void {
    const now = this.node.clock.now();
    for (const { stream } of this.#streams) stream.beat(now);
    if (this.node.clusterLost) this.polls.forget();
    if (this.#streams.size > 0) return void this.#update();
    this.#endTurns?.();
    this.#endTurns = null;
  }

  async #update(): Promise<void> {
    // A stream that begins meanwhile is updated by the next turn.
    if (this.#isReading) return;
    this.#isReading = true;
    const others = this.node.clusterLost ? [] : await this.directory.others();
    this.#isReading = false;
    const all = [{ id: this.node.id, name: this.node.name }, ...others];
    for (const { stream, node } of this.#streams) {
      const ids = all.filter(({ id, name }) => node === undefined || node === id || node === name).map(({ id }) => id);
      stream.update({ ids, ...this.#state() });
    }
  }

  #state(): Omit<NodesSeen, 'ids'> {
    return { isDegraded: this.node.clusterLost, isAlone: !this.bus.isShared, now: this.node.clock.now() };
  }
}
