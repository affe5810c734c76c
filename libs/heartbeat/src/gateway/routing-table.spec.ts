import { describe, expect, it } from '@jest/globals';

import { RoutingTable } from './routing-table.js';

describe('RoutingTable', () => {
  it('is empty until a handler is learned', () => {
    const table = new RoutingTable();
    expect([table.isEmpty, table.events, table.positionsOf('a')]).toEqual([true, [], undefined]);
    table.learn(0, 'a');
    expect(table.isEmpty).toBe(false);
  });

  it('finds each handler of an event, in the order of binding', () => {
    const table = new RoutingTable();
    for (const [position, event] of ['a', 'b', 'a'].entries()) table.learn(position, event);
    expect([table.positionsOf('a'), table.positionsOf('b'), table.positionsOf('c')]).toEqual([[0, 2], [1], undefined]);
    expect(table.events).toEqual(['a', 'b']);
  });

  it('learns the same from every client of a path, once', () => {
    const table = new RoutingTable();
    for (let client = 0; client < 3; client++) {
      for (const [position, event] of ['a', 'b', 'a'].entries()) table.learn(position, event);
    }
    expect([table.positionsOf('a'), table.positionsOf('b')]).toEqual([[0, 2], [1]]);
  });

  it('takes events of any kind, and mistakes none for a name that every object has', () => {
    const table = new RoutingTable();
    const symbol = Symbol('s');
    for (const [position, event] of [5, symbol, '__proto__', { cmd: 'x' }].entries()) table.learn(position, event);
    expect([table.positionsOf(5), table.positionsOf('5'), table.positionsOf(symbol)]).toEqual([[0], undefined, [1]]);
    expect([table.positionsOf('__proto__'), table.positionsOf('constructor')]).toEqual([[2], undefined]);
    expect(table.events).toEqual(['5', 'Symbol(s)', '__proto__', '[object Object]']);
  });
});
