import { beforeEach, describe, expect, it } from '@jest/globals';

import { until } from '../../../../test/support/assert/until.js';
import type { Connection } from '../connection/connection.js';
import { BanSweep } from './ban-sweep.js';

interface Client {
  readonly number: number;
  isClosed: boolean;
}

/** Blocks the event loop for this time, as a close does. */
function hold(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('BanSweep', () => {
  let clients: Client[];
  let passes: number;
  let sweep: BanSweep;
  let closesInTurn: number[];
  let costMs: number;
  /** The ban that matches a client. */
  let banOf: (client: Client) => string | null;

  beforeEach(() => {
    clients = Array.from({ length: 2000 }, (_, number) => ({ number, isClosed: false }));
    [passes, costMs, closesInTurn] = [0, 0, [0]];
    banOf = () => 'ban';
    sweep = new BanSweep(
      () => (passes++, clients as unknown as Connection[]),
      connection => {
        const client = connection as unknown as Client;
        const ban = client.isClosed ? null : banOf(client);
        if (ban === null) return null;
        hold(costMs);
        client.isClosed = true;
        if (closesInTurn.length === 1 && closesInTurn[0] === 0) setImmediate(countTurns);
        closesInTurn[closesInTurn.length - 1]!++;
        return ban;
      },
    );
  });

  function countTurns(): void {
    closesInTurn.push(0);
    if (!sweep.isIdle) setImmediate(countTurns);
  }
  const closed = () => clients.filter(({ isClosed }) => isClosed).length;
  const some = (from: number, to: number) => () => clients.slice(from, to) as unknown as Connection[];

  it('closes a few at once, in the turn of the ban', () => {
    sweep.begin('ban', some(0, 5));
    sweep.begin('ban', some(5, 10));
    expect([closed(), sweep.isIdle]).toEqual([10, true]);
  });

  it('closes many in slices, regardless of the duration of a close', async () => {
    costMs = 0.1;
    const task = sweep.begin('ban', 'all');
    expect(closed()).toBeLessThan(40);
    expect(await task.finished()).toBe(2000);
    expect([closed(), sweep.isIdle]).toEqual([2000, true]);
    // At first the free steps; later a slice, and the steps until the clock is read again.
    expect(Math.max(...closesInTurn)).toBeLessThanOrEqual(40);
  });

  it('gives all bans of a turn together no more time than one ban', async () => {
    costMs = 0.1;
    for (let n = 0; n < 200; n++) sweep.begin(`ban ${n}`, some(n * 10, n * 10 + 10));
    expect(closed()).toBeLessThan(40);
    await until(() => sweep.isIdle);
    expect([closed(), Math.max(...closesInTurn) <= 40]).toEqual([2000, true]);
  });

  it('searches for the networks of many bans in one pass, and once more for later bans', async () => {
    costMs = 0.1;
    sweep.begin('first', 'all');
    for (let n = 0; n < 500; n++) sweep.begin(`ban ${n}`, 'all');
    await until(() => sweep.isIdle);
    expect([closed(), passes]).toEqual([2000, 2]);
  });

  it('counts the closes of each ban separately', async () => {
    let made = 0;
    banOf = ({ number }) => (number < 1500 && number % 3 < made ? `ban ${number % 3}` : null);
    const tasks = [0, 1, 2, 3].map(n => {
      made++;
      return sweep.begin(`ban ${n}`, 'all');
    });
    expect(await Promise.all(tasks.map(task => task.finished()))).toEqual([500, 500, 500, 0]);
    expect(await tasks[0]!.finished()).toBe(500);
  });

  it('closes nothing for a ban that was lifted before its turn', async () => {
    let isLifted = false;
    costMs = 0.1;
    banOf = () => (isLifted ? null : 'ban');
    const task = sweep.begin('ban', 'all');
    isLifted = true;
    expect(await task.finished()).toBeLessThan(40);
    expect(closed()).toBeLessThan(40);
  });

  it('accepts a ban that is created because of a close', async () => {
    let isMade = false;
    banOf = ({ number }) => {
      if (!isMade) {
        isMade = true;
        sweep.begin('another', some(1, 3));
      }
      return number === 0 ? 'ban' : 'another';
    };
    sweep.begin('ban', some(0, 1));
    await until(() => sweep.isIdle);
    expect(closed()).toBe(3);
  });
});
