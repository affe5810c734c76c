import { describe, expect, it } from '@jest/globals';
import { parseArguments, type LoadOptions } from './arguments.js';
import { planFaults } from './faults.js';
import { makeOrders, openWithinMs } from './assignments.js';
import { seededRandom } from './random.js';

const ENDPOINT = { address: '127.0.0.1', port: 3000, hostHeader: '127.0.0.1:3000', path: '/ws' };

function optionsOf(...argv: string[]): LoadOptions {
  const parsed = parseArguments(argv, { platform: 'linux', socketsPerProcess: 19_900, seed: 1 });
  if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

describe('makeOrders', () => {
  const options = optionsOf('--connections', '12000', '--open-rate', '900');
  const plan = planFaults({ ...options, lastFaultMs: 13_000 }, seededRandom(1));
  const orders = makeOrders(options, plan, ENDPOINT, 19_900);

  it('gives every connection to one process', () => {
    expect(orders.map(({ firstIndex, connections }) => [firstIndex, connections])).toEqual([
      [0, 4000],
      [4000, 4000],
      [8000, 4000],
    ]);
  });

  it('gives each process what is planned for its own clients', () => {
    expect(orders.flatMap(({ faults }) => faults)).toHaveLength(plan.faults.length);
    expect(orders.flatMap(({ echoing }) => echoing)).toHaveLength(plan.echoing.length);
    const strangers = orders.flatMap(({ firstIndex, connections, faults }) =>
      faults.filter(({ index }) => index < firstIndex || index >= firstIndex + connections),
    );
    expect(strangers).toEqual([]);
  });

  it('shares the pace and the handshakes under way', () => {
    expect(orders.map(({ openPerSecond }) => openPerSecond)).toEqual([300, 300, 300]);
    expect(orders.map(({ mostOpening }) => mostOpening)).toEqual([86, 86, 86]);
  });

  it('lets one process ask the server', () => {
    expect(orders.map(({ asks }) => asks)).toEqual([true, false, false]);
  });

  it('makes smaller processes where fewer sockets fit', () => {
    expect(makeOrders(options, plan, ENDPOINT, 924)).toHaveLength(13);
  });
});

describe('openWithinMs', () => {
  it('allows the time that the pace takes', () => {
    expect(openWithinMs(optionsOf('--connections', '1000', '--open-rate', '10'))).toBe(130_000);
    expect(openWithinMs(optionsOf('--connections', '1000'))).toBe(31_000);
  });
});
