import { describe, expect, it } from '@jest/globals';

import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { InputTotal } from './input-total.js';

const node = new NodeState(
  resolveOptions({
    backpressure: { maxTotalBufferedBytes: 1000, maxBufferedBytes: 100_000 },
    limits: { maxConnections: 10 },
  }),
  { now: () => 0, wallTime: moment => new Date(moment) },
);

describe('InputTotal', () => {
  it('allows a queue to grow while less than half of the total waits', () => {
    const total = new InputTotal(node);
    const share = total.open();
    total.set(share, 500);
    expect([total.bytes, total.isOver(share)]).toEqual([500, false]);
    total.set(share, 501);
    expect(total.isOver(share)).toBe(true);
  });

  it('limits each queue to its even share of the other half', () => {
    const total = new InputTotal(node);
    const [flood, client] = [total.open(), total.open()];
    total.set(flood, 600);
    total.set(client, 50);
    expect([total.isOver(flood), total.isOver(client)]).toEqual([true, false]);
    total.set(client, 51);
    expect(total.isOver(client)).toBe(true);
  });

  it('allows no queue to grow above the total', () => {
    const total = new InputTotal(node);
    const [flood, client] = [total.open(), total.open()];
    total.set(flood, 1000);
    total.set(client, 1);
    expect(total.isOver(client)).toBe(true);
  });

  it('does not count a closed queue', () => {
    const total = new InputTotal(node);
    const share = total.open();
    total.set(share, 900);
    total.close(share);
    total.close(share);
    expect(total.bytes).toBe(0);
  });
});
