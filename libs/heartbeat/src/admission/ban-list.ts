import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';

import { Injectable } from '@nestjs/common';

import { CloseCodes } from '../close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import type { BanBook } from '../connection/shared-words.js';
import { HeartbeatError, type Problem } from '../heartbeat.error.js';
import { type BanNotice, HeartbeatEvents } from '../heartbeat.events.js';
import { isNetwork, networkMatcher, plainAddress } from '../network-address.js';
import { type Ban, BanIndex, type BanKind } from './ban-index.js';

/** An end that can still be shown; who is banned longer is banned for good. */
const LATEST_MS = 200 * 365 * 24 * 3600 * 1000;

/** Who may not come in for a while, and is sent away with 4501. Checked from memory. */
@Injectable()
export class BanList implements BanBook {
  readonly #bans = new BanIndex();

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {
    node.banBook = this;
    node.banOf = (ip, userId) => this.find(ip, userId)?.reason ?? null;
  }

  /**
   * Bans, and closes whom it meets with 4501; in a cluster on every node within a second.
   * @param forMs How long, in milliseconds.
   * @throws HeartbeatError `HEARTBEAT_BAD_BAN` for a value that is not of its kind.
   */
  ban({
    kind,
    value,
    forMs,
    reason = 'banned',
  }: {
    kind: BanKind;
    value: string;
    forMs: number;
    reason?: string;
  }): Ban {
    const problem = problemWith(kind, value, forMs);
    if (problem)
      throw new HeartbeatError('HEARTBEAT_BAD_BAN', `${problem.key} ${problem.rule}: ${problem.remedy}`, [problem]);
    const notice = { id: randomUUID(), kind, value, reason, forMs: Math.min(forMs, LATEST_MS) };
    const ban = this.#enforce(notice);
    this.events.announce({ type: 'banned', ban: notice });
    return ban;
  }

  /** False if there is no such ban. */
  lift(id: string): boolean {
    const forMs = Math.ceil((this.#bans.get(id)?.endsAt ?? 0) - this.node.clock.now());
    if (!this.#bans.delete(id) || forMs <= 0) return false;
    this.events.announce({ type: 'unbanned', id, forMs });
    return true;
  }

  adopt(notice: BanNotice): boolean {
    if (problemWith(notice.kind, notice.value, notice.forMs) !== null) return false;
    if (!this.#bans.get(notice.id)) this.#enforce(notice);
    return true;
  }

  drop(id: string): void {
    this.#bans.delete(id);
  }

  records(): BanNotice[] {
    const now = this.node.clock.now();
    return this.#bans.values(now).map(({ ban: { id, kind, value, reason }, endsAt }) => {
      return { id, kind, value, reason, forMs: Math.ceil(endsAt - now) };
    });
  }

  /** Keeps a ban, and sends away whom it meets. */
  #enforce({ id, kind, value, reason, forMs }: BanNotice): Ban {
    const endsAt = this.node.clock.now() + forMs;
    const ban: Ban = {
      id,
      kind,
      value,
      reason,
      expiresAt: this.node.clock.wallTime(Math.min(endsAt, LATEST_MS)),
    };
    const inNetwork = kind === 'user' ? () => false : networkMatcher([kind === 'ip' ? plainAddress(value) : value]);
    const matches = (ip: string, userId: string | null) => (kind === 'user' ? userId === value : inNetwork(ip));
    this.#bans.add({ ban, endsAt, matches });
    const met = [...this.connections.all()].filter(({ ip, userId }) => matches(ip, userId));
    for (const connection of met) this.#sendAway(connection, reason);
    return ban;
  }

  /** The bans in force. */
  list(): Ban[] {
    return this.#bans.values(this.node.clock.now()).map(({ ban }) => ban);
  }

  /** The ban that meets this address or user, if any. */
  find(ip: string, userId: string | null): Ban | undefined {
    return this.#bans.find(ip, userId, this.node.clock.now())?.ban;
  }

  #sendAway(connection: Connection, reason: string): void {
    connection.end({ code: CloseCodes.banned.code, reason, by: 'operator' });
  }
}

function problemWith(kind: BanKind, value: string, forMs: number): Problem | null {
  if (!Number.isSafeInteger(forMs) || forMs < 1) {
    return { key: 'forMs', value: forMs, rule: 'must be a whole number of milliseconds above 0', remedy: 'correct it' };
  }
  if (kind === 'ip' && isIP(value) === 0) {
    return {
      key: 'value',
      value,
      rule: 'must be an address for the kind "ip"',
      remedy: 'for a network use the kind "cidr"',
    };
  }
  if (kind === 'cidr' && !(isNetwork(value) && value.includes('/'))) {
    return {
      key: 'value',
      value,
      rule: 'must be a CIDR such as "10.0.0.0/8"',
      remedy: 'for one address use the kind "ip"',
    };
  }
  if (kind === 'user' && value === '') {
    return {
      key: 'value',
      value,
      rule: "must be a user's id",
      remedy: 'give one; anonymous clients are banned by address',
    };
  }
  return null;
}
