import { Inject, Injectable } from '@nestjs/common';

import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { LocalRecords } from '../messaging/local-records.js';
import type { OwnReport, SharedRecord, SharedRecords } from '../messaging/shared-records.js';
import { NodeState } from '../node/node-state.js';

/** The records of bulk kicks: in Redis; those that were created while Redis was lost in this node, for its own connections. */
@Injectable()
export class KickRecords implements SharedRecords {
  readonly #own: LocalRecords;

  constructor(
    node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
  ) {
    this.#own = new LocalRecords(new Map(), () => node.clock.now());
  }

  put(id: string, text: string, keepMs: number): Promise<void> {
    const isAlone = this.bus.isShared && !this.bus.isUp;
    return (isAlone ? this.#own : this.bus.records).put(id, text, keepMs);
  }

  async change(id: string, from: string, to: string, keepMs: number): Promise<boolean> {
    return (await this.#of(id)).change(id, from, to, keepMs);
  }

  async read(id: string): Promise<SharedRecord | null> {
    return (await this.#of(id)).read(id);
  }

  async report(id: string, own: OwnReport): Promise<SharedRecord> {
    return (await this.#of(id)).report(id, own);
  }

  async #of(id: string): Promise<SharedRecords> {
    return (await this.#own.read(id)) === null ? this.bus.records : this.#own;
  }
}
