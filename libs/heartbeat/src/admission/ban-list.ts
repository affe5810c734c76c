import { Injectable } from '@nestjs/common';

import { callOf } from '../connection/application-call.js';
import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { Closing, Kick } from '../connection/connection.types.js';
import { noteText } from '../connection/history/flight-note.js';
import { NodeState } from '../node/node-state.js';
import { Registry } from '../connection/registry.js';
import { Handled } from '../base/handled.js';
import { type BanNotice, HeartbeatEvents } from '../connection/heartbeat.events.js';
import {
  type Ban,
  BanIndex,
  type BanKind,
  type BanTarget,
  type HeldBan,
  type TargetBans,
  targetOf,
  valueOf,
} from './ban-index.js';
import { BanIds } from './ban-ids.js';
import { type BanPage, type BanQuery, pageOfBans } from './ban-page.js';
import { assertBan, faultOfBan } from './ban-rules.js';
import { BanSweep, type BanTask, type Search } from './ban-sweep.js';

/** The latest end that can be shown. A longer ban has no end in practice. */
const LATEST_MS = 200 * 365 * 24 * 3600 * 1000;
/**
 * Ends of a ban that differ by less are treated as equal. The remaining time is out of date by the latency of a message, and a correction
 * by that little would circulate through all nodes.
 */
const SAME_END_MS = 1000;

/** A ban to be created. */
export interface BanRequest {
  readonly kind: BanKind;
  /** A user's id, an address or a CIDR. */
  readonly value: string;
  /** Duration in milliseconds. */
  readonly forMs: number;
  /** For the close frame and the refusal. Default: `banned`. */
  readonly reason?: string;
  /** The initiator, for the audit trail and the verdicts of closed connections. Default: `application`. */
  readonly by?: string | undefined;
}

interface Made {
  readonly bans: TargetBans;
  /** The closes of the matching connections; undefined where the ban was already in force. */
  readonly task?: BanTask;
}

/** Users and addresses that are refused for a time, and whose connections are closed with 4501. All bans are checked in memory. */
@Injectable()
export class BanList {
  readonly #bans = new BanIndex();
  readonly #sweep: BanSweep;
  readonly #ids = new BanIds();

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly events: HeartbeatEvents,
  ) {
    this.#sweep = new BanSweep(
      () => registry.all(),
      connection => this.close(connection),
    );
  }

  /**
   * Bans a user, an address or a network, and closes the matching connections with 4501; in a cluster on every node within a second. From
   * its return on, no upgrade and no further message of them is accepted. The closes are spread over some turns of the event loop. A target
   * that is already banned keeps one ban, with the later end. A ban may have any width here; `POST /admin/bans` has limits that protect
   * operators from mistakes.
   * @returns The ban in force, in one spelling: `10.0.0.5/8` is `10.0.0.0/8`.
   * @throws HeartbeatError `HEARTBEAT_BAD_BAN` for a value that is not of its kind.
   */
  ban(request: BanRequest): Ban {
    const ban = this.#shown(this.#made({ by: 'application', ...request }).bans);
    this.events.calls.next(callOf('ban', ban.id, 'done', request));
    return ban;
  }

  /**
   * Like `ban`. Resolves with the number of matching connections of this node when the close of each has begun.
   * @internal
   */
  @Handled()
  async banAndClose(request: BanRequest): Promise<{ readonly ban: Ban; readonly closed: number }> {
    const { bans, task } = this.#made(request);
    return { ban: this.#shown(bans), closed: (await task?.finished()) ?? 0 };
  }

  /** @internal */
  banClient({ userId, ip }: Connection, forMs: number, { reason, by }: Pick<Kick, 'reason' | 'by'>): boolean {
    const client = userId === null ? ({ kind: 'ip', value: ip } as const) : ({ kind: 'user', value: userId } as const);
    if (targetOf(client.kind, client.value) === null) return false;
    this.#made({ ...client, forMs, ...(reason !== undefined && { reason }), by });
    return true;
  }

  /** Lifts a ban. Returns false if there is no such ban. */
  lift(id: string): boolean {
    const isLifted = this.end(id);
    this.events.calls.next(callOf('lift-ban', id, isLifted ? 'done' : 'not-found', {}));
    return isLifted;
  }

  /** Like `lift`, for the admin API. @internal */
  end(id: string): boolean {
    const bans = this.#bans.get(id);
    const now = this.node.clock.now();
    let isLifted = false;
    for (const held of bans?.held ?? []) {
      const forMs = Math.ceil(held.endsAt - now);
      this.#bans.delete(held.id);
      if (forMs <= 0) continue;
      isLifted = true;
      this.events.announce({ type: 'unbanned', id: held.id, forMs });
    }
    return isLifted;
  }

  /** @internal */
  add(notice: BanNotice): boolean {
    const target = targetOf(notice.kind, notice.value);
    if (target === null || faultOfBan(notice, target) !== null) return false;
    const known = this.#bans.get(notice.id)?.held.find(({ id }) => id === notice.id);
    const isLater = known === undefined || this.#endOf(notice) > known.endsAt + SAME_END_MS;
    if (isLater) this.#enforce({ ...notice, value: valueOf(notice.kind, target) }, target);
    return true;
  }

  /** @internal */
  remove(id: string): void {
    this.#bans.delete(id);
  }

  /** @internal */
  renew(id: string): void {
    const bans = this.#bans.get(id);
    const held = bans?.held.find(ban => ban.id === id);
    if (bans === undefined || held?.isExtended !== true) return;
    this.#bans.delete(id);
    const notice = { ...this.#noticeOf(held), id: this.#ids.next(this.node.clock) };
    this.#enforce(notice, bans.target);
    this.events.announce({ type: 'banned', ban: notice });
  }

  /** @internal */
  *records(): IterableIterator<BanNotice> {
    for (const { held } of this.#bans.all(this.node.clock.now())) {
      for (const ban of held) if (ban.endsAt > this.node.clock.now()) yield this.#noticeOf(ban);
    }
  }

  /** The bans in force, in the order of their ids, approximately that of their creation. Takes some milliseconds for 10,000 bans. */
  list(): Ban[] {
    const shown = Array.from(this.#bans.all(this.node.clock.now()), bans => this.#shown(bans));
    return shown.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }

  /**
   * One page of the bans in force, collected in slices.
   * @internal
   */
  page(query: BanQuery): Promise<BanPage> {
    const now = this.node.clock.now();
    return pageOfBans(this.#bans.all(now), query, bans => this.#shown(bans));
  }

  /** The ban in force that matches this address or user, if any. */
  find(ip: string, userId: string | null): Ban | undefined {
    const bans = this.#bans.find(ip, userId, this.node.clock.now());
    return bans && this.#shown(bans);
  }

  /** @internal */
  closeIfBanned(connection: Connection): void {
    if (!this.#sweep.isIdle) this.close(connection);
  }

  /**
   * Closes a connection that a ban matches. Returns the id of the ban where the close begins.
   * @internal
   */
  close(connection: Connection): string | null {
    if (connection.closing !== null) return null;
    const bans = this.#bans.find(connection.ip, connection.userId, this.node.clock.now());
    if (bans === undefined) return null;
    const { id: ban, kind: target, value, reason, by } = bans.shown;
    const closing: Closing = { code: CloseCodes.banned.code, reason, by: 'operator' };
    return connection.end(closing, { kind: 'banned', ban, target, value: noteText(value), by: by && noteText(by) })
      ? ban
      : null;
  }

  #made({ kind, value, forMs, reason = 'banned', by }: BanRequest): Made {
    const target = assertBan({ kind, value, forMs });
    const known = this.#bans.on(target, this.node.clock.now());
    const notice: BanNotice = {
      id: known?.shown.id ?? this.#ids.next(this.node.clock),
      kind: known?.shown.kind ?? kind,
      value: known?.shown.value ?? valueOf(kind, target),
      reason,
      forMs: Math.min(forMs, LATEST_MS),
      by,
    };
    if (known && this.#endOf(notice) <= known.shown.endsAt) return { bans: known };
    const made = this.#enforce(notice, target, known !== undefined);
    this.events.announce({ type: 'banned', ban: notice });
    return made;
  }

  /** Adds a ban, and closes the connections that it matches. */
  #enforce({ forMs, ...notice }: BanNotice, target: BanTarget, isExtended = false): Made {
    const { id, value } = notice;
    const held: HeldBan = { ...notice, endsAt: this.node.clock.now() + forMs, isExtended };
    const bans = this.#bans.add(held, target);
    return { bans, task: this.#sweep.begin(id, this.#searchOf(target, value)) };
  }

  /** The connections that a ban may match. For a network all connections are searched. */
  #searchOf(target: BanTarget, value: string): Search {
    if ('user' in target) return () => this.registry.byUser.get(target.user);
    const { family, prefix } = target.network;
    if (prefix !== (family === 4 ? 32 : 128)) return 'all';
    return () => this.registry.at(value.split('/', 1)[0]!);
  }

  #endOf({ forMs }: BanNotice): number {
    return this.node.clock.now() + forMs;
  }

  #shown({ shown: { id, kind, value, reason, endsAt } }: TargetBans): Ban {
    return { id, kind, value, reason, expiresAt: this.node.clock.wallTime(Math.min(endsAt, LATEST_MS)) };
  }

  #noticeOf({ id, kind, value, reason, endsAt, by }: HeldBan): BanNotice {
    return { id, kind, value, reason, forMs: Math.ceil(endsAt - this.node.clock.now()), by };
  }
}
