import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { Injectable } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { Registry } from '../connection/registry.js';
import type { Authenticate } from '../options/guard.options.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { Authentication, Identity } from '../base/identity.js';
import { clientNetwork } from '../base/network-address.js';
import { type OriginJudge, originJudge } from '../base/origin.js';
import { printable } from '../base/printable.js';
import { type Authenticated, authenticate } from './authenticator.js';
import { BanList } from './ban-list.js';
import { ClientAddresses } from './client-addresses.js';
import { HeldSlots } from './held-slots.js';
import { HostCheck } from './host-check.js';
import { UserIdentityRule } from './identity-rule.js';
import { OriginLog } from './origin-log.js';
import { ProxyNotes } from './proxy-notes.js';
import { RateLimiter } from './rate-limiter.js';
import { closeOf, drawDelay, isOfThisNode, type Refusal, type RefusalClose, refusals } from './refusal.js';
import { faultOfUpgrade } from './upgrade-request.js';

/** An upgrade that may be answered with 101. */
export interface Admitted {
  readonly ip: string;
  readonly identity: Identity | null;
  /** The client has to prove who it is within `identifyTimeoutMs`. */
  readonly deferred: boolean;
  /** To be called when it has become a connection, where there is something to be settled. */
  readonly opened?: () => void;
}

/** An upgrade whose client the app is asked about. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly ip: string;
  readonly network: string;
}

/** Addresses whose rate is remembered at once. */
const MAX_ADDRESSES = 50_000;

/**
 * Says who may come in, before the upgrade is answered; the cheapest check first, and what can be said without knowing the
 * user before the app is asked. A place is held while the app is asked, so that limits hold exactly however many ask at once.
 */
@Injectable()
export class AdmissionService {
  readonly #upgrades: RateLimiter;
  readonly #upgradesByNetwork: RateLimiter;
  /** Places held by upgrades whose `authenticate` or `verifyClient` is under way. */
  readonly #held = new HeldSlots();
  readonly #judgeOrigin: OriginJudge;
  readonly #hosts: HostCheck;
  readonly #originLog: OriginLog;
  readonly #proxyNotes: ProxyNotes;

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly bans: BanList,
    private readonly identities: UserIdentityRule,
    private readonly addresses: ClientAddresses,
    private readonly events: HeartbeatEvents,
  ) {
    const { limits, origins, hosts } = node.options;
    this.#hosts = new HostCheck(hosts, node.log);
    this.#judgeOrigin = originJudge(origins);
    this.#originLog = new OriginLog(node.log, node.clock, origins);
    this.#proxyNotes = new ProxyNotes(node, addresses);
    this.#upgrades = new RateLimiter(limits.upgradesPerSecond, 1);
    this.#upgradesByNetwork = new RateLimiter(limits.upgradesPerSecondPerIp, MAX_ADDRESSES);
  }

  /** Upgrades whose `authenticate` or `verifyClient` is under way. */
  get pending(): number {
    return this.#held.total;
  }

  /**
   * Calls `done` once with the verdict: in this very turn unless the app has to be asked, and never if the client has gone
   * meanwhile. An admitted client must be made a connection in the turn of that call, or be looked at again by `recheck`: only its
   * user's place, where that is agreed over the cluster, is held until it is `opened` or has gone.
   */
  admit(
    request: IncomingMessage,
    socket: Duplex,
    pathIsServed: boolean,
    done: (verdict: Refusal | Admitted) => void,
  ): void {
    const ip = this.addresses.of(request);
    const network = clientNetwork(ip, this.node.options.limits.ipv6PrefixBits);
    const refusal = this.#check(request, pathIsServed, ip, network);
    if (refusal !== null) return done(refusal);
    const ask = this.node.options.authenticate;
    if (ask === undefined) return done({ ip, identity: null, deferred: false });
    void this.#ask(ask, { request, socket, ip, network }, done);
  }

  async #ask(ask: Authenticate, upgrade: Upgrade, done: (verdict: Refusal | Admitted) => void): Promise<void> {
    const { request, socket, ip, network } = upgrade;
    this.#held.change(network, 1);
    const end = await authenticate(ask, request, socket, this.node.options.limits.handshakeTimeoutMs);
    const user = end.outcome === 'answered' ? userOf(end.answer) : null;
    const release = user === null ? undefined : await this.identities.acquire(user);
    this.#held.change(network, -1);
    if (end.outcome === 'gone' || socket.destroyed) return release?.();
    const verdict = this.#verdictOf(end, ip, release !== null);
    if ('status' in verdict || !release) {
      release?.();
      return done(verdict);
    }
    const settle = () => {
      socket.off('close', settle);
      release();
    };
    socket.once('close', settle);
    done({ ...verdict, opened: settle });
  }

  #verdictOf(end: Exclude<Authenticated, { outcome: 'gone' }>, ip: string, hasPlace: boolean): Refusal | Admitted {
    if (end.outcome === 'timeout') return this.timeout();
    if (end.outcome === 'answered') return hasPlace ? this.#checkUser(end.answer, ip) : this.identities.userLimit();
    this.node.totals.applicationErrors.authenticate++;
    this.node.log.warn('authenticate failed', 'authenticate failed, the client is refused with 401', end.error);
    return refusals.unauthenticated('Authentication failed.');
  }

  /** Holds the place of an admitted upgrade while a gateway's `verifyClient` is asked; the result gives it back, as the socket's end does. */
  hold({ ip }: Admitted, socket: Duplex): () => void {
    return this.#held.holdFor(socket, clientNetwork(ip, this.node.options.limits.ipv6PrefixBits));
  }

  /** What may have changed while a gateway's own `verifyClient` took its time. */
  recheck({ ip, identity }: Admitted): Refusal | null {
    const network = clientNetwork(ip, this.node.options.limits.ipv6PrefixBits);
    return this.#checkNode() ?? this.#checkPlaces(network) ?? this.identities.refusalOf(ip, identity);
  }

  /** The refusal of a client about which `authenticate` or `verifyClient` did not answer in time. */
  timeout(): Refusal {
    return refusals.authenticationTimeout(this.node.options.limits.handshakeTimeoutMs, this.#delay());
  }

  /**
   * The close frame for a refused client, where `refuseWith` is `close`; null for a refusal by HTTP. Behind a trusted proxy that is also
   * what another node could serve: a balancer retries there after a 503, and cannot after a finished upgrade.
   */
  closeFor(request: IncomingMessage, refusal: Refusal): RefusalClose | null {
    const { limits, load } = this.node.options;
    if (limits.refuseWith !== 'close') return null;
    if (isOfThisNode(refusal) && this.addresses.isBehindProxy(request)) return null;
    return closeOf(refusal, load.closeCode);
  }

  /** Tells that an upgrade was refused. */
  refused(request: IncomingMessage, { status, reason }: Pick<Refusal, 'status' | 'reason'>): void {
    this.events.announce({ type: 'refused', status, reason, ip: this.addresses.of(request) });
  }

  #check(request: IncomingMessage, pathIsServed: boolean, ip: string, network: string): Refusal | null {
    if (!this.node.bootstrapped) return refusals.starting();
    const closed = this.#checkNode();
    if (closed !== null) return closed;
    const fault = faultOfUpgrade(request);
    if (fault !== null) return refusals.badUpgrade(fault);
    const ban = this.bans.find(ip, null);
    if (ban) return refusals.banned(ban.reason);
    if (!pathIsServed) return refusals.noSuchPath(request.url?.split('?', 1)[0] ?? '/');
    const { origin, host } = request.headers;
    const foreign = this.#hosts.refusalOf(host);
    if (foreign !== null) return foreign;
    if (this.#judgeOrigin(origin, host) === 'refused') {
      this.#originLog.refused(origin ?? '', host ?? '');
      return refusals.originRefused(JSON.stringify(printable(origin ?? '', 200)));
    }
    this.#proxyNotes.note(request);
    return this.#checkPlaces(network) ?? this.#checkRates(network);
  }

  /** Whether this node takes anybody at all. */
  #checkNode(): Refusal | null {
    const { admissionClosed, load, options } = this.node;
    const maxConnections = Math.min(options.limits.maxConnections, this.node.socketRoom);
    if (admissionClosed) return refusals.draining(this.node.retryAfterMs());
    if (load.refusing) return refusals.overloaded(this.#delay());
    return this.registry.size + this.#held.total >= maxConnections
      ? refusals.atCapacity(maxConnections, this.#delay())
      : null;
  }

  #checkPlaces(network: string): Refusal | null {
    const { maxPerIp } = this.node.options.limits;
    const held = this.registry.byNetwork.count(network) + this.#held.of(network);
    return maxPerIp > 0 && held >= maxPerIp ? refusals.ipLimit(maxPerIp, this.#delay()) : null;
  }

  #checkRates(network: string): Refusal | null {
    const now = this.node.clock.now();
    const ownWaitMs = this.#upgradesByNetwork.take(network, now);
    const waitMs = ownWaitMs || this.#upgrades.take('', now);
    if (waitMs === 0) return null;
    // Who comes when too many others do has not used up its own.
    if (ownWaitMs === 0) this.#upgradesByNetwork.giveBack(network);
    return refusals.upgradeRate(waitMs);
  }

  /** What is left to check once the user is known, and what may have changed meanwhile. */
  #checkUser(answer: Authentication, ip: string): Refusal | Admitted {
    if (this.node.admissionClosed) return refusals.draining(this.node.retryAfterMs());
    if (answer === null)
      return refusals.unauthenticated('The server does not know who you are: send valid credentials.');
    const identity = typeof answer === 'string' ? null : answer;
    const { clock } = this.node;
    if (identity?.expiresAt !== undefined && Number(identity.expiresAt) <= clock.wallTime(clock.now()).getTime())
      return refusals.unauthenticated('Your credentials have expired: send new ones.');
    return this.identities.refusalOf(ip, identity) ?? { ip, identity, deferred: answer === 'deferred' };
  }

  /** Drawn for each client. */
  #delay(): number {
    return drawDelay(this.node.options.drain.returnWindowMs, this.node.random);
  }
}

/** Who came in, where it is known. */
function userOf(answer: Authentication): string | null {
  return answer === null || typeof answer === 'string' ? null : answer.userId;
}
