import { describe, expect, it } from '@jest/globals';

import { RoutingTable } from './routing-table.js';

const named = (...events: unknown[]) => events.map(message => ({ message }));

describe('RoutingTable', () => {
  it('is empty until a handler is learned', () => {
    const table = new RoutingTable();
    expect([table.isEmpty, table.events, table.positionsOf('a')]).toEqual([true, [], undefined]);
    table.learn(0, []);
    expect(table.isEmpty).toBe(true);
    table.learn(0, named('a'));
    expect(table.isEmpty).toBe(false);
  });

  it('finds one handler of an event for each gateway, in the order of binding', () => {
    const table = new RoutingTable();
    table.learn(0, named('a', 'b'));
    table.learn(2, named('a'));
    expect([table.positionsOf('a'), table.positionsOf('b'), table.positionsOf('c')]).toEqual([[0, 2], [1], undefined]);
    expect(table.events).toEqual(['a', 'b']);
  });

  it('keeps the last of several handlers of one event in a gateway', () => {
    const table = new RoutingTable();
    table.learn(0, named('a', 'b', 'a', 'a'));
    table.learn(4, named('b', 'b'));
    expect([table.positionsOf('a'), table.positionsOf('b')]).toEqual([[3], [1, 5]]);
  });

  it('learns the same handlers from every client of a path, once', () => {
    const table = new RoutingTable();
    for (let client = 0; client < 3; client++) {
      table.learn(0, named('a', 'b'));
      table.learn(2, named('a', 'a'));
    }
    expect([table.positionsOf('a'), table.positionsOf('b')]).toEqual([[0, 3], [1]]);
  });

  it('accepts events of any type, and no event matches a property of every object', () => {
    const table = new RoutingTable();
    const symbol = Symbol('s');
    table.learn(0, named(5, symbol, '__proto__', { cmd: 'x' }));
    expect([table.positionsOf(5), table.positionsOf('5'), table.positionsOf(symbol)]).toEqual([[0], undefined, [1]]);
    expect([table.positionsOf('__proto__'), table.positionsOf('constructor')]).toEqual([[2], undefined]);
    expect(table.events).toEqual(['5', 'Symbol(s)', '__proto__', '[object Object]']);
  });
});
