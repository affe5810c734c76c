import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { APPLICATION } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import { AdminAudit } from './admin-audit.js';
import { EntryLimit } from './entry-limit.js';

/**
 * Records the calls by which the application itself kicks, bans and drains. Their number is limited: an application may kick thousands of
 * connections in a second.
 */
@Injectable()
export class ApplicationAudit implements OnApplicationShutdown {
  readonly #limit: EntryLimit;
  readonly #subscription: Subscription;

  constructor(node: NodeState, events: HeartbeatEvents, audit: AdminAudit) {
    this.#limit = new EntryLimit(node.id, (actor, change) => audit.recordFor(actor, change));
    this.#subscription = events.calls.subscribe(({ by = APPLICATION.who, ...change }) => {
      this.#limit.record(change.what, { ...APPLICATION, who: by }, change, APPLICATION);
    });
  }

  onApplicationShutdown(): void {
    this.#subscription.unsubscribe();
    this.#limit.close();
  }
}
