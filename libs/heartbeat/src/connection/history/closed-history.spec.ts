import { beforeEach, describe, expect, it } from '@jest/globals';

import { NodeState } from '../../node/node-state.js';
import { resolveOptions } from '../../options/resolve-options.js';
import type { Connection } from '../connection.js';
import type { ConnectionService } from '../connection.service.js';
import type { ClosedQuery } from './closed-history.js';
import { wireNode } from '../../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../../test/support/servers/fake-transport.js';

const ALL: ClosedQuery = { limit: 500, after: null, filter: {} };

describe('ClosedHistory', () => {
  let connections: ConnectionService;
  let time: number;

  beforeEach(() => start());

  function start(closedHistory = 1000): void {
    time = 1000;
    const clock = { now: () => time, wallTime: (moment: number) => new Date(1_700_000_000_000 + moment) };
    const node = new NodeState(resolveOptions({ closedHistory }), clock);
    ({ connections } = wireNode(node));
  }

  function open(ip = '10.0.0.1', userId: string | null = null): Connection {
    const identity = userId === null ? null : { userId };
    return connections.open({ transport: transportOf(), path: '/ws', ip, userAgent: null, identity });
  }

  /** A connection that has closed with this code, a second after the one before. Returns its id. */
  function closed(code: number, ip?: string, userId?: string): string {
    const connection = open(ip, userId);
    time += 1000;
    connections.closed(connection, code, '');
    return connection.id;
  }

  const idsOf = async (query: Partial<ClosedQuery> = {}) =>
    (await connections.history.page({ ...ALL, ...query })).items.map(({ id }) => id);

  it('has pages without gaps or repetitions, the newest first', async () => {
    const ids = Array.from({ length: 7 }, () => closed(1000)).toReversed();
    const first = await connections.history.page({ ...ALL, limit: 3 });
    expect([first.items.map(({ id }) => id), first.hasMore]).toEqual([ids.slice(0, 3), true]);
    // A connection that closes between two pages changes nothing.
    closed(1001);
    const second = await connections.history.page({ ...ALL, limit: 3, after: ids[2]! });
    expect([second.items.map(({ id }) => id), second.hasMore]).toEqual([ids.slice(3, 6), true]);
    const third = await connections.history.page({ ...ALL, limit: 3, after: ids[5]! });
    expect([third.items.map(({ id }) => id), third.hasMore]).toEqual([ids.slice(6), false]);
    expect(await idsOf({ after: 'unknown' })).toEqual([]);
  });

  it('has pages of what a filter matches', async () => {
    const [one, two, three] = [closed(1000, '10.0.0.1', 'ada'), closed(1006), closed(1000, '2001:db8::1', 'ada')];
    const cases: [ClosedQuery['filter'], string[]][] = [
      [{ user: 'ada' }, [three, one]],
      [{ code: 1006 }, [two]],
      [{ by: 'client' }, [three, one]],
      [{ by: 'network' }, [two]],
      [{ ip: '2001:db8::/32' }, [three]],
      [{ since: 1_700_000_000_000 + 3000 }, [three, two]],
      [{ user: 'ada', since: 1_700_000_000_000 + 3000 }, [three]],
      [{ user: 'bob' }, []],
    ];
    for (const [filter, expected] of cases) expect(await idsOf({ filter })).toEqual(expected);
    const page = await connections.history.page({ limit: 1, after: null, filter: { user: 'ada' } });
    expect([page.items[0]?.id, page.hasMore]).toEqual([three, true]);
    expect(await idsOf({ after: three, filter: { user: 'ada' } })).toEqual([one]);
  });

  it('ends a page of long flight records before its limit', async () => {
    for (let number = 0; number < 300; number++) {
      const connection = open();
      for (let note = 0; note < 40; note++) connection.note({ kind: 'answered', missed: 1 });
      connections.closed(connection, 1000, '');
    }
    const { items, hasMore } = await connections.history.page(ALL);
    expect([items.length, items[0]?.flight.length, hasMore]).toEqual([122, 33, true]);
    const rest = await connections.history.page({ ...ALL, after: items.at(-1)!.id });
    expect(rest.items[0]?.id).not.toBe(items.at(-1)!.id);
  });

  it('is searched in many turns of the event loop, where it is large and matches rarely', async () => {
    start(100_000);
    const id = closed(4321);
    for (let number = 1; number < 100_000; number++) connections.closed(open(), 1000, '');
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    expect(await idsOf({ filter: { code: 4321, ip: '10.0.0.0/8' } })).toEqual([id]);
    isDone = true;
    expect(turns).toBeGreaterThan(3);
  });
});
