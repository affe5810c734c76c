import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { NodeState } from '../node/node-state.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

const lines: string[] = [];
const clock = { now: () => 5, wallTime: (moment: number) => new Date(moment) };

function start(cluster: HeartbeatOptions['cluster']) {
  const node = new NodeState(resolveOptions({ cluster: { nodeName: 'blue', ...cluster } }), clock);
  return { node, connections: wireNode(node).connections };
}

const REDIS = { redisUrl: 'redis://127.0.0.1:1' };
const CLIENT = { client: { duplicate: () => ({}) } };
const FOREIGN = 'green-00c0ffee.00000001';

describe('the API of one node, with Redis', () => {
  beforeEach(() => {
    lines.length = 0;
    Logger.overrideLogger({ warn: (text: string) => lines.push(text), log: () => {}, error: () => {} });
  });
  afterEach(() => {
    Logger.overrideLogger(false);
  });

  it.each([
    ['a URL', REDIS],
    ['a client', CLIENT],
  ])('warns once that broadcast reaches this node only, with %s of Redis', (_what, cluster) => {
    const { connections } = start(cluster);
    for (let i = 0; i < 3; i++) connections.broadcast({ event: 'news' });
    connections.broadcast('text', { path: '/ws' });
    expect(lines).toEqual([expect.stringMatching(/this node only.*ClusterService\.broadcast/)]);
  });

  it('does not warn of messages from the cluster', () => {
    const { connections } = start(REDIS);
    connections.broadcast({ event: 'news' }, {}, 'cluster');
    expect(lines).toEqual([]);
  });

  it('warns once for each method about an id of another node', async () => {
    const { connections } = start(REDIS);
    for (let i = 0; i < 3; i++) {
      expect(connections.kick(FOREIGN)).toBe(false);
      expect(await connections.send(FOREIGN, 'x')).toBe(false);
    }
    expect(lines).toEqual([
      expect.stringMatching(/ConnectionService\.kick.*another node.*ClusterService\.kick/),
      expect.stringMatching(/ConnectionService\.send.*another node.*ClusterService\.sendToUser/),
    ]);
  });

  it.each([
    ['an id of this node that has ended', (own: string) => `${own}.00000009`],
    ['no id', () => 'ann'],
    ['an empty text', () => ''],
    ['an id with a serial of another length', () => 'green-00c0ffee.1'],
  ])('does not warn of %s', (_what, idOf) => {
    const { node, connections } = start(REDIS);
    expect(connections.kick(idOf(node.id))).toBe(false);
    expect(lines).toEqual([]);
  });

  it('does not warn without Redis', async () => {
    const { connections } = start({});
    connections.broadcast('x');
    connections.kick(FOREIGN);
    await connections.send(FOREIGN, 'x');
    expect(lines).toEqual([]);
  });
});
