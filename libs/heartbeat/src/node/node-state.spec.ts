import { describe, expect, it } from '@jest/globals';

import { resolveOptions } from '../options/resolve-options.js';
import type { INestApplication } from '@nestjs/common';
import { NodeState } from './node-state.js';

const clock = { now: () => 4200, wallTime: (moment: number) => new Date(moment) };
const options = resolveOptions({ cluster: { nodeName: 'blue' }, heartbeat: { intervalMs: 30_000 } });

describe('NodeState', () => {
  it('starts with the interval of the options, without a drain, and with no attended time', () => {
    expect(new NodeState(options, clock)).toMatchObject({
      name: 'blue',
      startedAt: 4200,
      intervalMs: 30_000,
      attendedMs: 0,
      draining: false,
      admissionClosed: false,
      atCapacity: false,
    });
  });

  it('has a different id for each start, which contains its name', () => {
    const ids = Array.from({ length: 50 }, () => new NodeState(options, clock).id);
    expect(new Set(ids).size).toBe(50);
    expect(ids.every(id => /^blue-[0-9a-f]{8}$/.test(id))).toBe(true);
  });

  it.each([
    [false, false, false],
    [false, true, false],
    [true, false, false],
    [true, true, true],
  ])('with its own hook run (%p) and all other hooks (%p) has bootstrapped: %p', (ours, others, bootstrapped) => {
    const node = new NodeState(options, clock);
    node.bootstrapHookRan = ours;
    node.application = { isInitialized: others } as unknown as INestApplication;
    expect(node.bootstrapped).toBe(bootstrapped);
  });
});
