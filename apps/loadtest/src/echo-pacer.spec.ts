import { describe, expect, it } from '@jest/globals';
import { EchoPacer } from './echo-pacer.js';

describe('EchoPacer', () => {
  it('spreads the clients over the pace', () => {
    const pacer = new EchoPacer([5, 6, 7, 8], 1000, 0);
    expect([0, 250, 500, 750, 1000].map(now => [...pacer.due(now)])).toEqual([[5], [6], [7], [8], [5]]);
  });

  it('does not make up for lost time with a burst', () => {
    const pacer = new EchoPacer([5], 1000, 0);
    expect([...pacer.due(0)]).toEqual([5]);
    expect([...pacer.due(9500)]).toEqual([5]);
    expect([...pacer.due(10_000)]).toEqual([]);
    expect([...pacer.due(10_500)]).toEqual([5]);
  });
});
