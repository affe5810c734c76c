import { describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';

import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

/** More than are sent to at once. */
const COUNT = 100;

/** A node with clients that record received messages, in order. */
function nodeWithClients() {
  const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
  const { connections } = wireNode(new NodeState(resolveOptions(), clock));
  const clients = Array.from({ length: COUNT }, () => {
    const sent: string[] = [];
    const transport = transportOf({
      send: data => sent.push(String(data)),
      sendShared: ({ payload }) => sent.push(String(payload)),
      close: () => sent.push('close'),
    });
    const opening = { transport, path: '/ws', ip: '10.0.0.1', userAgent: null, identity: null };
    return { sent, connection: connections.open(opening) };
  });
  return { connections, clients };
}

describe('OutboundService, of the order of messages', () => {
  it('sends broadcasts in the order of their calls, each once', async () => {
    // Compiled code sends the first to all within one slice, while the others begin: so it is repeated.
    for (let round = 0; round < 50; round++) {
      const { connections, clients } = nodeWithClients();
      for (const text of ['one', 'two', 'three']) connections.broadcast(text);
      for (let turns = 0; turns < 100 && clients.at(-1)!.sent.length < 3; turns++) await turn();
      expect(clients.map(({ sent }) => sent)).toEqual(clients.map(() => ['one', 'two', 'three']));
    }
  });

  it('sends broadcasts before later messages to a client, and before its close', () => {
    const { connections, clients } = nodeWithClients();
    for (const text of ['one', 'two']) connections.broadcast(text);
    const [sender, closer] = clients.slice(-2);
    void sender!.connection.send('later');
    closer!.connection.close();
    expect([sender!.sent, closer!.sent]).toEqual([
      ['one', 'two', 'later'],
      ['one', 'two', 'close'],
    ]);
  });
});
