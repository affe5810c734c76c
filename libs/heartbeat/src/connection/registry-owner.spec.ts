import { describe, expect, it } from '@jest/globals';

import { resolveOptions } from '../options/resolve-options.js';
import { NodeState } from '../node/node-state.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

describe('a connection whose identification is deferred', () => {
  it('is unidentified until then, and found by its user from then on', () => {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const { connections } = wireNode(new NodeState(resolveOptions(), clock));
    const [later, other] = [0, 1].map(() =>
      connections.open({
        transport: transportOf({}),
        path: '/ws',
        ip: '10.0.0.1',
        userAgent: null,
        identity: null,
        deferred: true,
      }),
    );
    expect([...connections.unidentified()]).toEqual([later, other]);
    later!.identify({ userId: 'ann' });
    expect([[...connections.unidentified()], connections.findByUser('ann')]).toEqual([[other], [later]]);
  });
});
