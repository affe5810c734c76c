import { Injectable, Optional } from '@nestjs/common';

import type { Authentication, Identity } from '../base/identity.js';
import { clientNetwork } from '../base/network-address.js';
import { type OriginJudge, originJudge } from '../base/origin.js';
import { printable } from '../base/printable.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { NO_TRACING, Tracing } from '../node/tracing.js';
import { Registry } from '../connection/registry.js';
import type { Admitted, Attempt } from './attempt.js';
import { askOf, type Authenticated, authenticate } from './authenticator.js';
import { ClientAddresses } from './client-addresses.js';
import { HeldSlots, once } from './held-slots.js';
import { HostCheck } from './host-check.js';
import { UserIdentityRule } from './identity-rule.js';
import { OriginLog } from './origin-log.js';
import { ProxyNotes } from './proxy-notes.js';
import { drawDelay, EXPIRED, ofUser, type Refusal, refusals, type RefusedAs, UNKNOWN_CLIENT } from './refusal.js';
import { firstRefusal, type Step } from './steps.js';
import { UpgradeRates } from './upgrade-rates.js';

/** The facts about an attempt that the steps check. */
interface Candidate {
  readonly attempt: Attempt;
  readonly ip: string;
  readonly network: string;
}

/** A client for which `authenticate` has returned an answer. */
interface Answered {
  readonly ip: string;
  readonly answer: Authentication;
}

/**
 * Decides which attempts may become connections, before they are answered. Each list of steps ends with the first refusal. A slot is held
 * while `authenticate` is pending, so that limits hold exactly for any number of waiting clients.
 */
@Injectable()
export class AdmissionService {
  readonly #authenticate: ReturnType<typeof askOf>;
  readonly #rates: UpgradeRates;
  /** Slots held by attempts whose `authenticate` or `verifyClient` is in progress. */
  readonly #held = new HeldSlots();
  readonly #judgeOrigin: OriginJudge;
  readonly #hosts: HostCheck;
  readonly #originLog: OriginLog;
  readonly #proxyNotes: ProxyNotes;

  /** Whether this node admits any client. */
  readonly #ofNode: readonly Step<unknown>[] = [
    () => this.#draining(),
    () => (this.node.load.refusing ? refusals.overloaded(this.#delay()) : null),
    () => this.#atCapacity(),
  ];

  /** Checked before `authenticate`. The cheapest steps are first, and a step that counts the attempt is after all that do not. */
  readonly #ofAttempt: readonly Step<Candidate>[] = [
    // Flags and counts, at no cost.
    () => (this.node.bootstrapped ? null : refusals.starting()),
    ...this.#ofNode,
    // A request that is not a valid handshake needs no further check.
    ({ attempt }) => attempt.fault(),
    // Bans of addresses. A banned client learns nothing about paths and origins.
    ({ ip }) => this.identities.refusalOf(ip, null),
    ({ attempt }) => (attempt.isServed ? null : refusals.noSuchPath(attempt.request.url?.split('?', 1)[0] ?? '/')),
    // Names and origins. These two steps log advice, so they are only for existing paths.
    ({ attempt }) => this.#hosts.refusalOf(attempt.request.headers.host),
    ({ attempt }) => this.#foreignOrigin(attempt),
    // Refuses no client: it warns where the limits by address below count all clients of a proxy as one.
    ({ attempt }) => this.#proxyNotes.note(attempt.request),
    ({ network }) => this.#addressLimit(network),
    // The last step, since it uses the client's rate.
    ({ network }) => this.#rates.refusalOf(network),
  ];

  /** Checked after the answer of `authenticate`, when the slot was released. */
  readonly #ofAnswer: readonly Step<Answered>[] = [
    () => this.#draining(),
    ({ answer }) => (answer === null ? refusals.unauthenticated(UNKNOWN_CLIENT) : null),
    ({ answer }) => (this.#isExpired(identityOf(answer)) ? refusals.unauthenticated(EXPIRED) : null),
    // Bans of users, bans of addresses since the first check, and the user's limit.
    ({ ip, answer }) => this.identities.refusalOf(ip, identityOf(answer)),
    // These can refuse only where the limit was lowered while the slot was held.
    () => this.#atCapacity(),
    ({ ip }) => this.#addressLimit(this.#networkOf(ip)),
  ];

  /** Checked after a gateway's own `verifyClient`: all conditions that may have changed meanwhile. */
  readonly #ofVerified: readonly Step<Admitted>[] = [
    ...this.#ofNode,
    ({ ip }) => this.#addressLimit(this.#networkOf(ip)),
    ({ ip, identity }) => this.identities.refusalOf(ip, identity),
    // The limit was set at run time after this client was admitted, so it has no slot. It receives one when it tries again.
    ({ identity, opened }) =>
      identity !== null && !opened && this.identities.needsSlot ? this.identities.userLimit() : null,
  ];

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly identities: UserIdentityRule,
    private readonly addresses: ClientAddresses,
    private readonly events: HeartbeatEvents,
    @Optional() private readonly tracing: Tracing = NO_TRACING,
  ) {
    this.#hosts = new HostCheck(node.options.hosts, node.log);
    this.#judgeOrigin = originJudge(node.options.origins);
    this.#originLog = new OriginLog(node.log, node.clock, node.options.origins);
    this.#authenticate = askOf(node.options);
    this.#proxyNotes = new ProxyNotes(node, addresses);
    this.#rates = new UpgradeRates(node, events);
  }

  /** Attempts whose `authenticate` or `verifyClient` is in progress. */
  get pending(): number {
    return this.#held.total;
  }

  /**
   * Calls `done` once with the verdict: in the same turn unless `authenticate` is called, and never if the client disconnects before. An
   * admitted attempt must become a connection in the turn of that call, or pass `recheck`. Only its user's slot, where that is shared by
   * the cluster, is held until `opened` is called or the client disconnects.
   */
  admit(attempt: Attempt, done: (verdict: Refusal | Admitted) => void): void {
    if (!this.tracing.isOn) return this.#admit(attempt, done);
    this.tracing.attempt(attempt, ended =>
      this.#admit(attempt, verdict => {
        ended(verdict);
        done(verdict);
      }),
    );
  }

  #admit(attempt: Attempt, done: (verdict: Refusal | Admitted) => void): void {
    const ip = this.addresses.of(attempt.request);
    const candidate = { attempt, ip, network: this.#networkOf(ip) };
    const refusal = firstRefusal(this.#ofAttempt, candidate);
    if (refusal !== null) return done(refusal);
    if (this.#authenticate === undefined && attempt.checks === undefined)
      return done({ ip, identity: null, deferred: false });
    void this.#ask(candidate, done);
  }

  async #ask({ attempt, ip, network }: Candidate, done: (verdict: Refusal | Admitted) => void): Promise<void> {
    this.#held.change(network, 1);
    const end = await authenticate(this.#authenticate, attempt, this.node.options.limits.handshakeTimeoutMs);
    const identity = end.outcome === 'answered' ? identityOf(end.answer) : null;
    const release = identity === null ? undefined : await this.identities.acquire(identity.userId);
    this.#held.change(network, -1);
    if (end.outcome === 'gone' || attempt.isGone) return release?.();
    const verdict = ofUser(release === null ? this.identities.userLimit() : this.#verdictOf(end, ip), identity);
    if (!release) return done(verdict);
    if ('status' in verdict) release();
    done('status' in verdict ? verdict : { ...verdict, opened: once(attempt, release) });
  }

  #verdictOf(end: Exclude<Authenticated, { outcome: 'gone' }>, ip: string): Refusal | Admitted {
    if (end.outcome === 'timeout') return this.timeout();
    if (end.outcome === 'refused') return end.refusal;
    if (end.outcome === 'answered') {
      const { answer } = end;
      const admitted = { ip, identity: identityOf(answer), deferred: answer === 'deferred' };
      return firstRefusal(this.#ofAnswer, { ip, answer }) ?? admitted;
    }
    this.node.totals.applicationErrors.authenticate++;
    const what = this.node.options.authenticate ? 'authenticate' : 'identityFromRequest';
    this.node.log.warn(`${what} failed`, `${what} failed, the client is refused with 401`, end.error);
    return refusals.unauthenticated('Authentication failed.');
  }

  /** Holds the slot of an admitted attempt until the returned function is called or the client disconnects. */
  hold({ ip }: Admitted, attempt: Attempt): () => void {
    return this.#held.holdFor(attempt, this.#networkOf(ip));
  }

  /** The refusal that became necessary while a gateway's own `verifyClient` was pending; null without one. */
  recheck(admitted: Admitted): Refusal | null {
    return ofUser(firstRefusal(this.#ofVerified, admitted), admitted.identity);
  }

  /** Whether an identity that was admitted before may be again: it has not expired, and neither a ban nor a limit refuses it. */
  mayReturn(identity: Identity): boolean {
    return !this.#isExpired(identity) && this.identities.refusalOf('', identity) === null;
  }

  /** The refusal of a client for which `authenticate` or `verifyClient` did not answer in time. */
  timeout(): Refusal {
    return refusals.authenticationTimeout(this.node.options.limits.handshakeTimeoutMs, this.#delay());
  }

  /** Publishes that an attempt was refused. */
  refused({ request }: Pick<Attempt, 'request'>, { status, reason, userId }: RefusedAs): void {
    this.events.announce({ type: 'refused', status, reason, ip: this.addresses.of(request), userId });
  }

  #draining(): Refusal | null {
    return this.node.admissionClosed ? refusals.draining(this.node.retryAfterMs()) : null;
  }

  #atCapacity(): Refusal | null {
    const maxConnections = Math.min(this.node.limits.maxConnections, this.node.socketRoom);
    const isFull = this.registry.size + this.#held.total >= maxConnections;
    return isFull ? refusals.atCapacity(maxConnections, this.#delay()) : null;
  }

  #foreignOrigin({ request, judgeOrigin, originOption }: Attempt): Refusal | null {
    const { origin, host } = request.headers;
    if ((judgeOrigin ?? this.#judgeOrigin)(origin, host) !== 'refused') return null;
    const option = judgeOrigin === undefined ? undefined : originOption;
    this.#originLog.refused(origin ?? '', host ?? '', option);
    return refusals.originRefused(JSON.stringify(printable(origin ?? '', 200)), option);
  }

  #addressLimit(network: string): Refusal | null {
    const { maxPerIp } = this.node.limits;
    const isFull = maxPerIp > 0 && this.registry.byNetwork.count(network) + this.#held.of(network) >= maxPerIp;
    return isFull ? refusals.ipLimit(maxPerIp, this.#delay()) : null;
  }

  #isExpired(identity: Identity | null): boolean {
    const { clock } = this.node;
    return identity?.expiresAt !== undefined && Number(identity.expiresAt) <= clock.wallTime(clock.now()).getTime();
  }

  #networkOf(ip: string): string {
    return clientNetwork(ip, this.node.options.limits.ipv6PrefixBits);
  }

  /** A random delay for each client. */
  #delay(): number {
    return drawDelay(this.node.options.drain.returnWindowMs, this.node.random);
  }
}

/** The identity in the answer of `authenticate`; null without one. */
function identityOf(answer: Authentication): Identity | null {
  return answer === null || typeof answer === 'string' ? null : answer;
}
