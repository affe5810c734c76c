import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { Injectable, Logger } from '@nestjs/common';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { describeError } from '../describe-error.js';
import { HeartbeatEvents } from '../heartbeat.events.js';
import type { Authentication, Identity } from '../identity.js';
import { clientNetwork, networkMatcher } from '../network-address.js';
import { authenticate } from './authenticator.js';
import { BanList } from './ban-list.js';
import { clientAddress, hasProxyHeader, type IsTrusted } from './client-address.js';
import { judgeOrigin } from './origin.js';
import { RateLimiter } from './rate-limiter.js';
import { type Refusal, refusals } from './refusal.js';
import { faultOfUpgrade } from './upgrade-request.js';

/** An upgrade that may be answered with 101. */
export interface Admitted {
  readonly ip: string;
  readonly identity: Identity | null;
  /** The client has to prove who it is within `identifyTimeoutMs`. */
  readonly deferred: boolean;
}

/** Addresses whose rate is remembered at once. */
const MAX_ADDRESSES = 50_000;
/** Refused origins that are logged; each only once. */
const MAX_LOGGED_ORIGINS = 100;

/**
 * Says who may come in, before the upgrade is answered; the cheapest check first, and what can be said without knowing the
 * user before the app is asked. A place is held while the app is asked, so that limits hold exactly however many ask at once.
 */
@Injectable()
export class AdmissionService {
  readonly #logger = new Logger('Heartbeat');
  readonly #isTrusted: IsTrusted;
  readonly #upgrades: RateLimiter;
  readonly #upgradesByNetwork: RateLimiter;
  /** Places held by upgrades whose authentication is under way, by client network. */
  readonly #held = new Map<string, number>();
  readonly #loggedOrigins = new Set<string>();
  #heldInAll = 0;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly bans: BanList,
    private readonly events: HeartbeatEvents,
  ) {
    const { trustedProxies, limits } = node.options;
    this.#isTrusted = networkMatcher(trustedProxies);
    this.#upgrades = new RateLimiter(limits.upgradesPerSecond, 1);
    this.#upgradesByNetwork = new RateLimiter(limits.upgradesPerSecondPerIp, MAX_ADDRESSES);
  }

  /** Upgrades whose authentication is under way. */
  get pending(): number {
    return this.#heldInAll;
  }

  /**
   * Calls `done` once with the verdict: in this very turn unless the app has to be asked, and never if the client has gone
   * meanwhile. An admitted client must be made a connection in the turn of that call: its place is not held any longer.
   */
  admit(
    request: IncomingMessage,
    socket: Duplex,
    pathIsServed: boolean,
    done: (verdict: Refusal | Admitted) => void,
  ): void {
    const ip = clientAddress(request, this.#isTrusted);
    const network = clientNetwork(ip, this.node.options.limits.ipv6PrefixBits);
    const refusal = this.#check(request, pathIsServed, ip, network);
    if (refusal !== null) return done(refusal);
    const ask = this.node.options.authenticate;
    if (ask === undefined) return done({ ip, identity: null, deferred: false });
    this.#hold(network, 1);
    void authenticate(ask, request, socket, this.node.options.limits.handshakeTimeoutMs).then(end => {
      this.#hold(network, -1);
      if (end.outcome === 'gone') return;
      if (end.outcome === 'timeout')
        return done(refusals.authenticationTimeout(this.node.options.limits.handshakeTimeoutMs));
      if (end.outcome === 'answered') return done(this.#checkUser(end.answer, ip));
      this.#logger.warn(`authenticate failed, and so refuses: ${describeError(end.error)}`);
      done(refusals.unauthenticated('Authentication failed.'));
    });
  }

  /** What may have changed while a gateway's own `verifyClient` took its time. */
  recheck(): Refusal | null {
    const { maxConnections } = this.node.options.limits;
    if (this.node.doorShut) return refusals.draining(this.connections.returnDelay());
    return this.connections.count + this.#heldInAll >= maxConnections ? refusals.atCapacity(maxConnections) : null;
  }

  /** Tells that an upgrade was refused. */
  refused(request: IncomingMessage, { status, reason }: Refusal): void {
    this.events.announce({ type: 'refused', status, reason, ip: clientAddress(request, this.#isTrusted) });
  }

  #check(request: IncomingMessage, pathIsServed: boolean, ip: string, network: string): Refusal | null {
    const { node } = this;
    const { limits, origins } = node.options;
    if (!node.bootstrapped) return refusals.starting();
    if (node.doorShut) return refusals.draining(this.connections.returnDelay());
    const fault = faultOfUpgrade(request);
    if (fault !== null) return refusals.badUpgrade(fault);
    if (node.load.refusing) return refusals.overloaded();
    if (this.connections.count + this.#heldInAll >= limits.maxConnections)
      return refusals.atCapacity(limits.maxConnections);
    const ban = this.bans.find(ip, null);
    if (ban) return refusals.banned(ban.reason);
    if (!pathIsServed) return refusals.noSuchPath(request.url?.split('?', 1)[0] ?? '/');
    const { origin, host } = request.headers;
    if (judgeOrigin(origin, host, origins) === 'refused') return this.#refuseOrigin(origin ?? '', host ?? '');
    return this.#checkAddress(request, network);
  }

  #checkAddress(request: IncomingMessage, network: string): Refusal | null {
    const { limits, trustedProxies } = this.node.options;
    if (!this.node.proxyHeaderSeen && hasProxyHeader(request)) {
      this.node.proxyHeaderSeen = true;
      if (trustedProxies.length === 0 && (limits.maxPerIp > 0 || limits.upgradesPerSecondPerIp > 0)) {
        this.#logger.warn(
          'a proxy header was seen, but trustedProxies is empty: limits by address count all clients of a proxy as one. ' +
            "Add the proxy's address or CIDR to trustedProxies (TRUSTED_PROXIES).",
        );
      }
    }
    const held = this.connections.countByNetwork(network) + (this.#held.get(network) ?? 0);
    if (limits.maxPerIp > 0 && held >= limits.maxPerIp) return refusals.ipLimit(limits.maxPerIp);
    const now = this.node.clock.now();
    const waitMs = this.#upgradesByNetwork.take(network, now) || this.#upgrades.take('', now);
    return waitMs > 0 ? refusals.upgradeRate(waitMs) : null;
  }

  /** What is left to check once the user is known, and what may have changed meanwhile. */
  #checkUser(answer: Authentication, ip: string): Refusal | Admitted {
    const { node } = this;
    if (node.doorShut) return refusals.draining(this.connections.returnDelay());
    if (answer === null)
      return refusals.unauthenticated('The server does not know who you are: send valid credentials.');
    const ban = this.bans.find(ip, typeof answer === 'string' ? null : answer.userId);
    if (ban) return refusals.banned(ban.reason);
    if (typeof answer === 'string') return { ip, identity: null, deferred: answer === 'deferred' };
    const { maxPerUser, onUserLimit } = node.options.limits;
    if (maxPerUser > 0) {
      if (onUserLimit === 'replace-oldest') this.connections.makeRoomFor(answer.userId, maxPerUser - 1);
      else if (this.connections.countByUser(answer.userId) >= maxPerUser) return refusals.userLimit(maxPerUser);
    }
    return { ip, identity: answer, deferred: false };
  }

  #refuseOrigin(origin: string, host: string): Refusal {
    const told = JSON.stringify(origin.slice(0, 200));
    if (this.#loggedOrigins.size < MAX_LOGGED_ORIGINS && !this.#loggedOrigins.has(told)) {
      this.#loggedOrigins.add(told);
      this.#logger.warn(
        `refused the origin ${told} for the host ${JSON.stringify(host.slice(0, 200))}: to allow it, add it to the option origins (ORIGINS)`,
      );
    }
    return refusals.originRefused(told);
  }

  #hold(network: string, change: 1 | -1): void {
    const held = (this.#held.get(network) ?? 0) + change;
    this.#heldInAll += change;
    if (held === 0) this.#held.delete(network);
    else this.#held.set(network, held);
  }
}
