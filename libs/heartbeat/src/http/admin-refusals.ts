import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { ClientAddresses } from '../admission/client-addresses.js';
import type { ProblemDetails } from '../base/problem.js';
import type { AuditResult } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import type { AdminRefusal } from '../node/totals.js';
import { OwnRouting } from './own-routing.js';
import { rawPath, rawRequest } from './raw-request.js';
import { type RefusedRequest, RefusedRequests } from './refused-requests.js';
import { clientNetwork } from '../base/network-address.js';
import { adminIn } from './admin-actor.js';
import { AdminAudit } from './admin-audit.js';
import { EntryLimit } from './entry-limit.js';

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

type Counts = Partial<Record<AdminRefusal, number>>;

/**
 * Counts refused admin requests, for the metrics and for the audit trail. An attempt of a known sender that its role forbids, or that fails,
 * is a separate entry, at most 60 forbidden ones of a sender within a minute. Requests of unknown senders make one entry for an address and a minute, at its end, with their number.
 */
@Injectable()
export class AdminRefusals implements OnApplicationShutdown {
  readonly #subscription: Subscription;
  readonly #counts = new Map<string, Counts>();
  /** The counts of all further addresses. */
  #others: Counts = {};
  #timer: NodeJS.Timeout | null = null;
  readonly #forbidden: EntryLimit;

  constructor(
    private readonly node: NodeState,
    private readonly addresses: ClientAddresses,
    private readonly audit: AdminAudit,
    private readonly routing: OwnRouting,
    refused: RefusedRequests,
  ) {
    this.#forbidden = new EntryLimit(node.id, (actor, change) => audit.recordFor(actor, change));
    this.#subscription = refused.stream.subscribe(request => this.#take(request));
  }

  /** Writes the counts, since the process ends before the minute does. */
  onApplicationShutdown(): void {
    this.#subscription.unsubscribe();
    this.#write();
    this.#forbidden.close();
  }

  #take({ request, problem, isAdmitted }: RefusedRequest): void {
    const path = rawPath(request);
    if (this.routing.find(path)?.area === 'health') return;
    const reason = isAdmitted ? undefined : REASONS[problem.status];
    if (reason !== undefined) this.node.totals.adminRefused[reason]++;
    const isAttempt = isAdmitted || (reason === 'forbidden' && adminIn(request) !== null);
    if (isAttempt) return this.#recordAttempt(request, path, problem);
    if (reason !== undefined) this.#count(clientNetwork(this.addresses.of(rawRequest(request)), NETWORK_BITS), reason);
  }

  /** Records a change that a known sender attempted. The handler may have recorded it. */
  #recordAttempt(request: object, path: string, problem: ProblemDetails): void {
    const { method = '' } = rawRequest(request);
    const action = this.routing.actionOf(method, path);
    const result = resultOf(problem);
    if (this.audit.hasRecorded(request) || (action === undefined && result !== 'forbidden')) return;
    const [, target] = this.routing.belowAdmin(path);
    const change = { what: action ?? `${method} ${path}`, target: target ?? this.node.id, result };
    if (result !== 'forbidden') return this.audit.record(request, change);
    const actor = this.audit.actorOf(request);
    this.#forbidden.record(actor.who, actor, change);
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
      const change = { what: 'admin-request', target: this.node.id, result: 'refused', parameters } as const;
      this.audit.recordFor({ who: 'unknown', role: null, from }, change);
    }
  }
}

/** The result of an attempt that ended with a problem. */
export function resultOf({ status, type }: ProblemDetails): AuditResult {
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 504) return 'unconfirmed';
  return status === 500 ? 'failed' : `refused: ${type.slice(type.lastIndexOf(':') + 1)}`;
}
