import { describe, expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';

import { until } from '../../../../test/support/assert/until.js';
import { RequestTurns } from './request-turns.js';

/** Work that runs until it is released. */
function held() {
  const end = new EventEmitter();
  return { over: once(end, 'over').then(() => undefined), letGo: () => void end.emit('over') };
}

describe('RequestTurns', () => {
  it('runs eight at once, the others in their order, each as soon as one has ended', async () => {
    const turns = new RequestTurns(8);
    const works = Array.from({ length: 11 }, held);
    const begun: number[] = [];
    const all = works.map(({ over }, place) =>
      turns.run(async hasTurn => {
        begun.push(place);
        await over;
        return hasTurn;
      }, 10_000),
    );
    await until(() => begun.length === 8);
    works[5]!.letGo();
    await until(() => begun.length === 9);
    expect(begun[8]).toBe(8);
    for (const { letGo } of works) letGo();
    expect(await Promise.all(all)).toEqual(Array(11).fill(true));
    expect(begun.slice(9)).toEqual([9, 10]);
  });

  it('runs work without a turn after its maximum wait, and passes its turn to no other', async () => {
    const turns = new RequestTurns(8);
    const works = Array.from({ length: 8 }, held);
    const all = works.map(({ over }) => turns.run(() => over, 10_000));
    expect(await turns.run(async hasTurn => hasTurn, 5)).toBe(false);
    for (const { letGo } of works) letGo();
    await Promise.all(all);
    const again = await Promise.all(works.map(() => turns.run(async hasTurn => hasTurn, 5)));
    expect(again).toEqual(Array(8).fill(true));
  });

  it('passes the turn on where work fails', async () => {
    const turns = new RequestTurns(8);
    for (let time = 0; time < 20; time++) {
      await expect(turns.run(() => Promise.reject(new Error('on purpose')), 5)).rejects.toThrow('on purpose');
    }
    expect(await turns.run(async hasTurn => hasTurn, 5)).toBe(true);
  });

  it('queues at most 1,000', async () => {
    const turns = new RequestTurns(8);
    const { over, letGo } = held();
    const all = Array.from({ length: 1008 }, () => turns.run(() => over, 60_000));
    expect(await turns.run(async hasTurn => hasTurn, 60_000)).toBe(false);
    letGo();
    await Promise.all(all);
  });
});
