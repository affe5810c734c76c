import { describe, expect, it } from '@jest/globals';

import { Subject } from 'rxjs';

import { wireNode } from '../../../../test/support/servers/wire-node.js';
import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { ReplacedConnections, UserSlots } from '../connection/ports.js';
import type { LimitOptions } from '../options/limits.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { BanList } from './ban-list.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const ANN = { userId: 'ann' };

/** Slots of a cluster that the test grants. */
class SlotsOfTest implements UserSlots {
  readonly replaced = new Subject<ReplacedConnections>();
  readonly requested: string[] = [];
  grant: (isGranted: boolean) => void = () => undefined;

  constructor(readonly isShared = true) {}

  acquire(): Promise<null> {
    return Promise.resolve(null);
  }

  acquireOpen(userId: string): Promise<boolean> {
    this.requested.push(userId);
    return new Promise(resolve => (this.grant = resolve));
  }

  async share(): Promise<void> {}
  unshare(): void {}
}

/** A node and its connections. */
class World {
  readonly connections: ConnectionService;
  readonly bans: BanList;

  constructor(limits: Partial<LimitOptions> = {}, slots?: SlotsOfTest) {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const node = new NodeState(resolveOptions({ limits }), clock);
    ({ bans: this.bans, connections: this.connections } = wireNode(node, undefined, slots && { slots }));
  }

  /** Opens a connection with an identity, or without one to be identified later. */
  open(userId?: string): Connection & { readonly closes: unknown[][] } {
    const closes: unknown[][] = [];
    const connection = this.connections.open({
      transport: transportOf({ close: (...how: unknown[]) => closes.push(how) }),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: userId === undefined ? null : { userId },
      deferred: userId === undefined,
    });
    return Object.assign(connection, { closes });
  }
}

const codesOf = (connections: Connection[]) => connections.map(({ closing }) => closing?.code ?? null);

describe('a connection that is identified after its opening', () => {
  it('is closed with 4501 and the reason of the ban that matches it', () => {
    const world = new World();
    world.bans.ban({ kind: 'user', value: 'ann', forMs: 60_000, reason: 'spam' });
    const [ann, bob] = [world.open(), world.open()];
    ann.identify(ANN);
    bob.identify({ userId: 'bob' });
    expect([ann.closing, bob.closing]).toEqual([{ code: 4501, reason: 'spam', by: 'operator' }, null]);
    expect(ann.closes).toEqual([[4501, 'spam']]);
  });

  it.each(['refuse', 'replace-oldest'] as const)(
    'takes no slot, and keeps its close, where it is already closing: %s',
    onUserLimit => {
      const world = new World({ maxPerUser: 1, onUserLimit });
      const [first, later] = [world.open('ann'), world.open()];
      later.close(1000, 'bye');
      later.identify(ANN);
      expect([codesOf([first, later]), later.closes]).toEqual([[null, 1000], [[1000, 'bye']]]);
      expect(world.connections.unidentified().size).toBe(0);
    },
  );

  it('replaces no connection of its user where it is banned', () => {
    const world = new World({ maxPerUser: 1, onUserLimit: 'replace-oldest' });
    world.bans.ban({ kind: 'user', value: 'ann', forMs: 60_000 });
    const [first, later] = [world.open('ann'), world.open()];
    later.identify(ANN);
    expect(codesOf([first, later])).toEqual([null, 4501]);
  });

  it('is closed with 1013 and an advised delay where its user has reached the limit', () => {
    const world = new World({ maxPerUser: 2 });
    const [first, second, third] = [world.open('ann'), world.open(), world.open()];
    second.identify(ANN);
    expect(codesOf([first, second])).toEqual([null, null]);
    third.identify(ANN);
    expect(codesOf([first, second, third])).toEqual([null, null, 1013]);
    expect(third.closes).toEqual([[1013, expect.stringMatching(/^user-limit; retry-after=\d+$/)]]);
  });

  it('replaces the oldest of its user with replace-oldest, and none below the limit', () => {
    const world = new World({ maxPerUser: 2, onUserLimit: 'replace-oldest' });
    const [oldest, bob, second, third] = [world.open('ann'), world.open('bob'), world.open(), world.open()];
    second.identify(ANN);
    expect(codesOf([oldest, bob, second])).toEqual([null, null, null]);
    third.identify(ANN);
    expect(codesOf([oldest, bob, second, third])).toEqual([4502, null, null, null]);
    expect(oldest.closing).toEqual({ code: 4502, reason: 'replaced by a newer connection', by: 'server' });
  });

  it.each(['refuse', 'replace-oldest'] as const)('counts once when it is identified again: %s', onUserLimit => {
    const world = new World({ maxPerUser: 2, onUserLimit });
    const [first, second] = [world.open('ann'), world.open()];
    second.identify(ANN);
    for (let turn = 0; turn < 5; turn++) second.identify({ ...ANN, labels: { turn: `${turn}` } });
    expect([codesOf([first, second]), world.connections.findByUser('ann').length]).toEqual([[null, null], 2]);
  });

  it('releases the slot of its previous user', () => {
    const world = new World({ maxPerUser: 1 });
    const [first, second] = [world.open('ann'), world.open()];
    first.identify({ userId: 'bob' });
    second.identify(ANN);
    expect([codesOf([first, second]), world.connections.findByUser('ann').length]).toEqual([[null, null], 1]);
  });

  it('has no limit where maxPerUser is 0', () => {
    const world = new World();
    const many = Array.from({ length: 50 }, () => world.open());
    for (const connection of many) connection.identify(ANN);
    expect([new Set(codesOf(many)), world.connections.findByUser('ann').length]).toEqual([new Set([null]), 50]);
  });
});

describe('a connection that is opened with an identity', () => {
  it('replaces the oldest of its user', () => {
    const world = new World({ maxPerUser: 2, onUserLimit: 'replace-oldest' });
    const [one, bob, two, three] = ['ann', 'bob', 'ann', 'ann'].map(userId => world.open(userId)) as Connection[];
    expect(codesOf([one!, bob!, two!, three!])).toEqual([4502, null, null, null]);
    // A closing connection takes no slot.
    const four = world.open('ann');
    expect(codesOf([one!, two!, three!, four])).toEqual([4502, 4502, null, null]);
  });

  it.each<[string, Partial<LimitOptions>]>([
    ['users are not limited', { onUserLimit: 'replace-oldest' }],
    ['upgrades above the limit are refused', { maxPerUser: 1, onUserLimit: 'refuse' }],
  ])('replaces none where %s', (_what, limits) => {
    const world = new World(limits);
    expect(codesOf([world.open('ann'), world.open('ann'), world.open('ann')])).toEqual([null, null, null]);
  });
});

describe('a connection that is identified on a node of a cluster', () => {
  it.each([
    ['keeps the slot that the cluster grants', true, null],
    ['is closed with 1013 where the cluster refuses it', false, 1013],
  ])('%s', async (_what, isGranted, code) => {
    const slots = new SlotsOfTest();
    const connection = new World({ maxPerUser: 1 }, slots).open();
    connection.identify(ANN);
    expect([slots.requested, connection.closing]).toEqual([['ann'], null]);
    slots.grant(isGranted);
    await Promise.resolve();
    expect(codesOf([connection])).toEqual([code]);
  });

  it('stays open where it was identified as another user before the refusal', async () => {
    const slots = new SlotsOfTest();
    const connection = new World({ maxPerUser: 1 }, slots).open();
    connection.identify(ANN);
    const { grant } = slots;
    connection.identify({ userId: 'bob' });
    grant(false);
    await Promise.resolve();
    expect(codesOf([connection])).toEqual([null]);
  });

  it.each<[string, string | null, Partial<LimitOptions>]>([
    ['a banned user', 'ann', { maxPerUser: 1 }],
    ['no limit of users', null, { maxPerUser: 0 }],
    ['replacement instead of refusal', null, { maxPerUser: 1, onUserLimit: 'replace-oldest' }],
  ])('requests no slot for %s', (_what, banned, limits) => {
    const slots = new SlotsOfTest();
    const world = new World(limits, slots);
    if (banned !== null) world.bans.ban({ kind: 'user', value: banned, forMs: 60_000 });
    world.open().identify(ANN);
    expect(slots.requested).toEqual([]);
  });

  it('requests none where the node decides alone, or has exceeded the limit itself', () => {
    const alone = new SlotsOfTest(false);
    new World({ maxPerUser: 1 }, alone).open().identify(ANN);
    const shared = new SlotsOfTest();
    const world = new World({ maxPerUser: 1 }, shared);
    world.open('ann');
    const surplus = world.open();
    surplus.identify(ANN);
    expect([alone.requested, shared.requested, codesOf([surplus])]).toEqual([[], [], [1013]]);
  });

  it('is closed with 4502, up to the serial that newer ones on other nodes replace', () => {
    const slots = new SlotsOfTest(false);
    const world = new World({ maxPerUser: 5, onUserLimit: 'replace-oldest' }, slots);
    const [first, bob, second, third] = [world.open('ann'), world.open('bob'), world.open('ann'), world.open('ann')];
    slots.replaced.next({ userId: 'ann', serial: second.serial });
    expect(codesOf([first, bob, second, third])).toEqual([4502, null, 4502, null]);
  });
});
