import type { IncomingMessage } from 'node:http';

import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { ClientAddresses } from '../admission/client-addresses.js';
import { NodeState } from '../node/node-state.js';
import type { AdminRefusal } from '../node/totals.js';
import { OwnRouting } from './own-routing.js';
import { rawPath, rawRequest } from './raw-request.js';
import { type RefusedRequest, RefusedRequests } from './refused-requests.js';
import { clientNetwork } from '../base/network-address.js';
import { adminIn } from './admin-actor.js';
import { AdminAudit } from './admin-audit.js';

/** The prefix length of the network from which one IPv6 client usually chooses its addresses. */
const NETWORK_BITS = 64;
const WINDOW_MS = 60_000;
/** Maximum of addresses with their own line in a minute: an attacker with many addresses must not fill the log or the memory. */
const MAX_ADDRESSES = 100;

const REASONS: Readonly<Record<number, AdminRefusal>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  429: 'too-many-failures',
};

/** The names of changes in the audit trail, by method and the part of the path after the admin path. */
const ACTIONS: Readonly<Record<string, string>> = {
  'DELETE connections': 'kick',
  'POST bans': 'ban',
  'DELETE bans': 'lift-ban',
  'POST heap-snapshot': 'heap-snapshot',
};

type Counts = Partial<Record<AdminRefusal, number>>;

/**
 * Counts refused admin requests, for the metrics and for the audit trail. An attempt that the role of a known token forbids is a separate
 * entry. All others make one entry for an address and a minute, at its end, with their number.
 */
@Injectable()
export class AdminRefusals implements OnApplicationShutdown {
  readonly #subscription: Subscription;
  readonly #counts = new Map<string, Counts>();
  /** The counts of all further addresses. */
  #others: Counts = {};
  #timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly addresses: ClientAddresses,
    private readonly audit: AdminAudit,
    private readonly routing: OwnRouting,
    refused: RefusedRequests,
  ) {
    this.#subscription = refused.stream.subscribe(request => this.#take(request));
  }

  /** Writes the counts, since the process ends before the minute does. */
  onApplicationShutdown(): void {
    this.#subscription.unsubscribe();
    this.#write();
  }

  #take({ request, status }: RefusedRequest): void {
    const reason = REASONS[status];
    const path = rawPath(request);
    if (reason === undefined || this.routing.find(path)?.area === 'health') return;
    this.node.totals.adminRefused[reason]++;
    const raw = rawRequest(request);
    const who = adminIn(request);
    if (reason === 'forbidden' && who !== null) return this.#recordAttempt(who, raw, path);
    this.#count(clientNetwork(this.addresses.of(raw), NETWORK_BITS), reason);
  }

  #recordAttempt(who: string, request: IncomingMessage, path: string): void {
    const { method = '' } = request;
    const [name = '', target] = this.routing.belowAdmin(path);
    const what = ACTIONS[`${method} ${name}`] ?? `${method} ${path}`;
    this.audit.record({
      who,
      what,
      target: target ?? this.node.id,
      from: this.addresses.of(request),
      result: 'forbidden',
    });
  }

  #count(from: string, reason: AdminRefusal): void {
    let counts = this.#counts.get(from);
    if (counts === undefined && this.#counts.size < MAX_ADDRESSES) this.#counts.set(from, (counts = {}));
    counts ??= this.#others;
    counts[reason] = (counts[reason] ?? 0) + 1;
    this.#timer ??= setTimeout(() => this.#write(), WINDOW_MS).unref();
  }

  #write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const lines = [...this.#counts, ['other addresses', this.#others] as const];
    this.#counts.clear();
    this.#others = {};
    for (const [from, counts] of lines) {
      const count = Object.values(counts).reduce((sum, each) => sum + each, 0);
      if (count === 0) continue;
      const parameters = { count, ...counts };
      this.audit.record({
        who: 'unknown',
        what: 'admin-request',
        target: this.node.id,
        from,
        result: 'refused',
        parameters,
      });
    }
  }
}
