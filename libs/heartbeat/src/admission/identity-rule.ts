import { Injectable } from '@nestjs/common';

import type { Identity } from '../base/identity.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { NodeState } from '../node/node-state.js';
import { IdentityRule, UserSlots } from '../connection/ports.js';
import { Registry } from '../connection/registry.js';
import { CloseCodes } from '../protocol/close-code.js';
import { BanList } from './ban-list.js';
import { drawDelay, type Refusal, refusals } from './refusal.js';

/**
 * The rule about identities: bans, and `limits.maxPerUser` on this node and in the cluster. It refuses upgrades, and closes open
 * connections with 4501 (banned), `load.closeCode` (one connection too many) and 4502 (replaced).
 *
 * With `refuse`, closing connections hold their slots until they have ended. With `replace-oldest` they hold none: the newest connections
 * stay.
 */
@Injectable()
export class UserIdentityRule implements IdentityRule {
  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly bans: BanList,
    private readonly slots: UserSlots,
  ) {
    slots.replaced.subscribe(({ userId, serial }) => {
      for (const connection of this.registry.byUser.get(userId)) if (connection.serial <= serial) replace(connection);
    });
  }

  /** The refusal of an upgrade with this address and identity; null where it is admitted. */
  refusalOf(ip: string, identity: Identity | null): Refusal | null {
    const ban = this.bans.find(ip, identity?.userId ?? null);
    if (ban) return refusals.banned(ban.reason);
    if (identity === null || !this.#refuses) return null;
    return this.registry.byUser.count(identity.userId) >= this.#maxPerUser ? this.userLimit() : null;
  }

  /**
   * Acquires a slot of the cluster for an upgrade; undefined where this node decides alone. Resolves with a function that releases the
   * slot, or with null where the user has no free slot.
   */
  acquire(userId: string): Promise<(() => void) | null> | undefined {
    return this.slots.isShared ? this.slots.acquire(userId) : undefined;
  }

  /** Whether a user needs a slot of the cluster. */
  get needsSlot(): boolean {
    return this.#refuses && this.slots.isShared;
  }

  userLimit(): Refusal {
    return refusals.userLimit(this.#maxPerUser, drawDelay(this.node.options.drain.returnWindowMs, this.node.random));
  }

  opened({ userId }: Connection): void {
    if (userId !== null) this.#replaceOldest(userId);
  }

  identified(connection: Connection): void {
    const { userId } = connection;
    // A closing connection takes no slot.
    if (userId === null || connection.closing !== null || this.bans.close(connection) !== null) return;
    this.#replaceOldest(userId);
    if (!this.#refuses) return;
    if (this.registry.byUser.count(userId) > this.#maxPerUser) this.#closeSurplus(connection);
    else if (this.slots.isShared) void this.#acquireOpen(connection, userId);
  }

  async #acquireOpen(connection: Connection, userId: string): Promise<void> {
    if (await this.slots.acquireOpen(userId)) return;
    // It may have ended meanwhile, or may have been identified as another user.
    if (connection.userId === userId && this.registry.has(connection)) this.#closeSurplus(connection);
  }

  #closeSurplus(connection: Connection): void {
    const { closeCode: code } = this.node.options.load;
    const closing: Closing = { code, reason: 'user-limit', by: 'server' };
    connection.end(closing, { kind: 'user-limit' }, this.node.retryAfterMs());
  }

  /** Closes the oldest connections of a user on this node that exceed the limit. */
  #replaceOldest(userId: string): void {
    if (this.#maxPerUser === 0 || this.#refuses) return;
    const open = this.registry.byUser.open(userId);
    open.slice(0, Math.max(0, open.length - this.#maxPerUser)).forEach(replace);
  }

  get #maxPerUser(): number {
    return this.node.limits.maxPerUser;
  }

  get #refuses(): boolean {
    return this.#maxPerUser > 0 && this.node.options.limits.onUserLimit === 'refuse';
  }
}

function replace(connection: Connection): void {
  const { code, name } = CloseCodes.replaced;
  connection.end({ code, reason: name, by: 'server' }, { kind: 'replaced' });
}
