import { beforeEach, describe, expect, it } from '@jest/globals';
import { Subject } from 'rxjs';

import type { ClusterBus, Renewal } from '../messaging/cluster-bus.js';
import type { ClusterMembership } from '../messaging/cluster-membership.js';
import { LocalAudit } from '../messaging/local-audit.js';
import type { AuditRecord, SharedAudit } from '../messaging/shared-audit.js';
import { APPLICATION } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { type AuditPage, AuditStore } from './audit-store.js';

/** The store of several nodes, and how it fails. */
class Shared {
  readonly records: AuditRecord[] = [];
  readonly calls: number[] = [];
  /** `late`: the records are added, and yet the reply does not arrive. */
  fault: 'none' | 'lost' | 'late' = 'none';
  #waiting: (() => void)[] = [];
  isSlow = false;

  readonly audit: SharedAudit = {
    add: async (records, last) => {
      this.calls.push(records.length);
      if (this.isSlow) await new Promise<void>(resolve => this.#waiting.push(resolve));
      if (this.fault === 'lost') throw new Error('lost');
      const has = await new LocalAudit(this.records).add(records, last);
      if (this.fault === 'late') throw new Error('late');
      return has;
    },
    read: async (before, limit) => {
      if (this.fault !== 'none') throw new Error(this.fault);
      return new LocalAudit(this.records).read(before, limit);
    },
  };

  replies(): void {
    for (const reply of this.#waiting.splice(0)) reply();
  }
}

class Node {
  readonly bus: { isShared: boolean; isUp: boolean; audit: SharedAudit };
  readonly renewals = new Subject<Renewal>();
  readonly failures: unknown[] = [];
  readonly state: NodeState;
  readonly store: AuditStore;
  leave: () => Promise<unknown> = () => Promise.resolve();

  constructor(nodeName: string, time: { now: number }, shared: Shared, isShared = true) {
    const clock = { now: () => time.now, wallTime: (moment: number) => new Date(moment) };
    this.state = new NodeState(resolveOptions({ cluster: { nodeName } }), clock);
    this.bus = { isShared, isUp: isShared, audit: shared.audit };
    const membership: Partial<ClusterMembership> = {
      renewals: this.renewals.asObservable(),
      storeTime: moment => moment,
      failed: (operation, error) => void this.failures.push([operation, error]),
      beforeLeaving: work => void (this.leave = work),
    };
    this.store = new AuditStore(this.state, this.bus as ClusterBus, membership as ClusterMembership);
  }

  record(target: string, who = 'ops'): string {
    return this.store.add({ ...APPLICATION, who, what: 'kick', target, result: 'done' }).id;
  }

  renewed(isNew = false): void {
    this.renewals.next({ isNew, nodes: 1, banVersion: 0, limitVersion: 0, now: 0 });
  }

  page(limit = 500, after: AuditPage['end'] = null, more: Partial<Parameters<AuditStore['page']>[0]> = {}) {
    return this.store.page({ limit, after, matches: () => true, ...more });
  }

  async targets(): Promise<string[]> {
    return (await this.page()).items.map(({ target }) => target);
  }
}

/** The first, the third, … of entries in turns, newest first. */
const own = (targets: string[]) => targets.filter((_, n) => n % 2 === 0).toReversed();
const matches = ({ target }: { target: string }) => target.endsWith('7');

describe('AuditStore', () => {
  let time: { now: number };
  let shared: Shared;
  let one: Node;
  let other: Node;

  beforeEach(() => {
    time = { now: 1_700_000_000_000 };
    shared = new Shared();
    one = new Node('one', time, shared);
    other = new Node('other', time, shared);
  });

  /** Entries of both nodes in turns, a millisecond apart. */
  function recordInTurns(count: number): string[] {
    return Array.from({ length: count }, (_, n) => {
      time.now++;
      (n % 2 === 0 ? one : other).record(`t${n}`);
      return `t${n}`;
    });
  }

  it('lists the entries of all nodes at each of them, newest first', async () => {
    const targets = recordInTurns(7).toReversed();
    // A page is complete for the own entries; those of another node are sent within moments.
    await Promise.all([one.page(), other.page()]);
    expect([await one.targets(), await other.targets()]).toEqual([targets, targets]);
    const { items, isDegraded } = await one.page(1);
    const { id: node } = one.state;
    const entry = { ...APPLICATION, who: 'ops', what: 'kick', target: 't6', result: 'done' };
    expect(items).toEqual([{ id: `${node}.0000004`, at: '2023-11-14T22:13:20.007Z', node, ...entry }]);
    expect(isDegraded).toBe(false);
  });

  it('has pages without gaps and doubles, while entries are added', async () => {
    const targets = recordInTurns(600).toReversed();
    const seen: string[] = [];
    let after: AuditPage['end'] = null;
    do {
      const page: AuditPage = await (seen.length % 2 === 0 ? one : other).page(7, after);
      seen.push(...page.items.map(({ target }) => target));
      after = page.end;
      recordInTurns(1);
    } while (after !== null);
    expect(seen.filter(target => Number(target.slice(1)) < 600)).toEqual(
      targets.filter(target => seen.includes(target)),
    );
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.at(-1)).toBe('t0');
  });

  it.each(['lost', 'late'] as const)('sends each entry once when a store returns that was %s', async fault => {
    const before = recordInTurns(4);
    await Promise.all([one.page(), other.page()]);
    shared.fault = fault;
    const meanwhile = recordInTurns(6);
    const page = await one.page();
    expect(page).toMatchObject({ isDegraded: true, end: null });
    expect(page.items.map(({ target }) => target)).toEqual([...own(meanwhile), ...own(before)]);
    expect(one.failures.length).toBeGreaterThan(0);
    shared.fault = 'none';
    one.renewed();
    other.renewed();
    expect(await one.targets()).toEqual([...before, ...meanwhile].toReversed());
    expect((await one.page()).isDegraded).toBe(false);
    expect(shared.records.map(({ id }) => id)).toHaveLength(10);
  });

  it('gives a store that was emptied all entries that the nodes hold', async () => {
    const targets = recordInTurns(120).toReversed();
    await Promise.all([one.page(), other.page()]);
    shared.records.length = 0;
    one.renewed(true);
    other.renewed(true);
    await Promise.all([one.page(), other.page()]);
    expect(await one.targets()).toEqual(targets);
  });

  it('sends nothing again where the store has it', async () => {
    recordInTurns(120);
    await Promise.all([one.page(), other.page()]);
    shared.calls.length = 0;
    one.renewed(true);
    await one.page();
    expect(shared.calls).toEqual([0]);
  });

  it('does not wait for the store, and sends at most 50 entries together, one sending at a time', async () => {
    shared.isSlow = true;
    for (let n = 0; n < 1000; n++) one.record(`t${n}`);
    expect(shared.calls).toEqual([1]);
    shared.isSlow = false;
    shared.replies();
    expect(await one.targets()).toHaveLength(500);
    expect(Math.max(...shared.calls)).toBe(50);
    expect(shared.calls.length).toBeLessThan(25);
  });

  it('sends the last entries before the node leaves', async () => {
    shared.fault = 'lost';
    one.record('t');
    await one.page();
    shared.fault = 'none';
    await one.leave();
    expect(shared.records).toHaveLength(1);
  });

  it('sends nothing while the store is known to be lost', async () => {
    one.bus.isUp = false;
    one.record('t');
    one.renewed();
    expect(await one.page()).toMatchObject({ isDegraded: true, items: [{ target: 't' }] });
    expect(shared.calls).toEqual([]);
  });

  it('without a shared store lists the entries of this node', async () => {
    const alone = new Node('alone', time, shared, false);
    for (let n = 0; n < 3; n++) alone.record(`t${n}`);
    expect(await alone.page(2)).toMatchObject({ isDegraded: false, items: [{ target: 't2' }, { target: 't1' }] });
    const { end } = await alone.page(2);
    expect(await alone.page(2, end)).toMatchObject({ end: null, items: [{ target: 't0' }] });
    expect(shared.calls).toEqual([]);
  });

  it.each([
    ['of all nodes', true],
    ['of one node', false],
  ])(
    'lets the event loop run while a filter that matches no entry is compared with those %s',
    async (_of, isShared) => {
      const node = new Node('node', time, shared, isShared);
      for (let n = 0; n < 5000; n++) node.record(`t${n}`);
      await node.page();
      let turns = 0;
      let isDone = false;
      const count = () => {
        turns++;
        if (!isDone) setImmediate(count);
      };
      setImmediate(count);
      expect(await node.page(10, null, { matches: () => false })).toMatchObject({ items: [], end: null });
      isDone = true;
      expect(turns).toBeGreaterThan(10);
    },
  );

  it('filters, and ends at a time', async () => {
    recordInTurns(600);
    await Promise.all([one.page(), other.page()]);
    const { items, end } = await one.page(10, null, { matches });
    expect([items.length, items[9]?.target]).toEqual([10, 't507']);
    const rest = await one.page(500, end, { matches });
    expect([rest.items.length, rest.items[0]?.target, rest.end]).toEqual([50, 't497', null]);
    const since = time.now - 2;
    expect((await one.page(10, null, { since })).items.map(({ target }) => target)).toEqual(['t599', 't598', 't597']);
  });

  it('keeps the order of its entries when the clock is corrected by a moment', async () => {
    one.record('first');
    time.now -= 5;
    one.record('second');
    expect(await one.targets()).toEqual(['second', 'first']);
  });

  it('leaves out records that it cannot read', async () => {
    shared.records.push({ id: 'x.1', at: 1, text: 'no JSON' }, { id: 'x.2', at: 2, text: '{"id":"x.2"}' });
    one.record('t');
    expect(await one.targets()).toEqual(['t']);
  });
});
