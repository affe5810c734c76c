import { describe, expect, it } from '@jest/globals';
import { planFaults } from './faults.js';
import { seededRandom } from './random.js';

const REQUEST = { connections: 1000, silent: 100, stopped: 20, echoing: 88, lastFaultMs: 13_000 };

describe('planFaults', () => {
  const plan = planFaults(REQUEST, seededRandom(5));

  it('makes as many of each kind as asked for, each another client', () => {
    expect(plan.faults.filter(({ kind }) => kind === 'silent')).toHaveLength(100);
    expect(plan.faults.filter(({ kind }) => kind === 'stopped')).toHaveLength(20);
    expect(new Set([...plan.faults.map(({ index }) => index), ...plan.echoing]).size).toBe(208);
  });

  it('spreads the moments up to the last one, in their order', () => {
    const moments = plan.faults.map(({ atMs }) => atMs);
    expect(moments).toEqual(moments.toSorted((left, right) => left - right));
    expect(moments.at(0)).toBeLessThan(1_000);
    expect(moments.at(-1)).toBeGreaterThan(12_000);
    expect(moments.at(-1)).toBeLessThanOrEqual(13_000);
  });

  it('is the same for the same seed', () => {
    expect(planFaults(REQUEST, seededRandom(5))).toEqual(plan);
    expect(planFaults(REQUEST, seededRandom(6))).not.toEqual(plan);
  });

  it('may make all clients faulty, or none', () => {
    const all = planFaults({ ...REQUEST, silent: 600, stopped: 400, echoing: 0 }, seededRandom(1));
    expect(all.faults).toHaveLength(1000);
    const none = planFaults({ ...REQUEST, silent: 0, stopped: 0, echoing: 0 }, seededRandom(1));
    expect(none).toEqual({ faults: [], echoing: [] });
  });
});
