import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';
import { z } from 'zod';

import { inSlices } from '../base/slices.js';
import { wireCount, wireId } from '../base/wire-values.js';
import type { Connection } from '../connection/connection.js';
import { connectionId } from '../connection/connection-id.js';
import { ConnectionService } from '../connection/connection.service.js';
import { checkedCondition } from '../connection/listing/connection-filter.js';
import { momentOf, predicateOf } from '../connection/listing/connection-query.js';
import { type ConnectionView, viewFromWire } from '../connection/listing/connection-view.js';
import { filterFromWire, filterOnWire } from '../connection/listing/filter-codec.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { NodeState } from '../node/node-state.js';
import { BoundIds } from './bound-ids.js';
import { type CheckedSelection, MAX_IDS } from './kick-settings.js';

/** Maximum of connections in the sample of a dry run. */
export const MAX_SAMPLE = 10;
/** Time that a node keeps its connections longer than the token, for a start in the last moment. */
const SLACK_MS = 30_000;

export const BIND = {
  request: z.object({
    job: wireId,
    forMs: wireCount,
    filter: filterFromWire.optional(),
    ids: z.array(wireId).max(MAX_IDS).optional(),
  }),
  reply: z.object({ matched: wireCount, connections: wireCount, sample: z.array(viewFromWire).max(MAX_SAMPLE) }),
};
type BoundReply = z.output<typeof BIND.reply>;

/** The replies to a dry run. */
export interface BoundNodes {
  readonly replies: readonly (readonly [nodeId: string, BoundReply])[];
  readonly silent: readonly string[];
}

/** Binds connections to the tokens of dry runs: each node finds its own, and keeps them. */
@Injectable()
export class BoundConnections {
  readonly #bound = new BoundIds();
  readonly #added = new Subject<void>();
  readonly #request;

  /** Connections were bound here. */
  readonly added = this.#added.asObservable();

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#request = requests.handle('kick-bind', BIND, ({ job, forMs, filter, ids }) =>
      this.#bindOwn(job, forMs, filter === undefined ? { ids: ids ?? [] } : { filter: checkedCondition(filter) }),
    );
  }

  /** Binds the connections of a selection on all nodes. Nodes that do not reply in time are silent. */
  async bind(job: string, forMs: number, selection: CheckedSelection): Promise<BoundNodes> {
    const since = this.node.clock.now();
    const [own, { requested, outcomes }] = await Promise.all([
      this.#bindOwn(job, forMs, selection),
      this.#bindOthers({ job, forMs }, selection, since),
    ]);
    const replies: (readonly [string, BoundReply])[] = [[this.node.id, own]];
    const silent: string[] = [];
    for (const { id } of requested) {
      const outcome = outcomes.get(id);
      if (outcome?.status === 'ok') replies.push([id, outcome.body]);
      else silent.push(id);
    }
    return { replies, silent };
  }

  /** The jobs of the tokens that have connections here. */
  jobs(): string[] {
    return this.#bound.jobs();
  }

  /** Removes the connections of a token, and returns their serials; null where they are unknown. */
  take(job: string): Float64Array | null {
    return this.#bound.take(job);
  }

  expire(): void {
    this.#bound.expire(this.node.clock.now());
  }

  async #bindOthers(
    more: { readonly job: string; readonly forMs: number },
    selection: CheckedSelection,
    since: number,
  ) {
    const requested = await this.directory.others();
    const wanted = 'ids' in selection ? { ids: [...selection.ids] } : { filter: filterOnWire(selection.filter) };
    const outcomes = await this.#request.send(this.directory.reachable(requested), { ...more, ...wanted }, since);
    return { requested, outcomes };
  }

  /** Connections that are opened meanwhile are not bound, nor those that are closing already. */
  async #bindOwn(job: string, forMs: number, selection: CheckedSelection): Promise<BoundReply> {
    const serials: number[] = [];
    const add = ({ closing, serial }: Connection) => {
      if (closing === null) serials.push(serial);
    };
    if ('ids' in selection) {
      for (const id of selection.ids) {
        const connection = this.connections.get(id);
        if (connection !== undefined) add(connection);
      }
    } else {
      const newest = this.connections.openedCount;
      const { clock } = this.node;
      const matches = predicateOf(selection.filter, momentOf(this.node, clock.wallTime(0).getTime()));
      await inSlices(this.connections.all(), connection => {
        if (connection.serial <= newest && matches(connection)) add(connection);
      });
    }
    const sample = serials.slice(0, MAX_SAMPLE).flatMap(serial => this.#view(serial));
    if (serials.length > 0) {
      this.#bound.add(job, serials, this.node.clock.now() + forMs + SLACK_MS);
      this.#added.next();
    }
    return { matched: serials.length, connections: this.connections.count, sample };
  }

  #view(serial: number): ConnectionView[] {
    const detail = this.connections.detail(connectionId(this.node.id, serial));
    if (detail === undefined) return [];
    const { flight: _, ...view } = detail;
    return [view];
  }
}
