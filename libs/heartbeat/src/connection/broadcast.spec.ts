import { beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';

import { Broadcast } from './broadcast.js';
import type { Connection } from './connection.js';
import type { SharedMessage } from './shared-message.js';

const COUNT = 100;
/** So long that a few of them fill a slice. */
const SEND_MS = 0.25;

describe('Broadcast', () => {
  let broadcast: Broadcast;
  let sent: string[][];
  let connections: Connection[];

  beforeEach(() => {
    broadcast = new Broadcast();
    sent = Array.from({ length: COUNT }, () => []);
    connections = sent.map(messages => {
      const sendShared = ({ payload }: SharedMessage) => {
        for (const end = performance.now() + SEND_MS; performance.now() < end;);
        messages.push(String(payload));
      };
      return { socket: { sendShared } } as unknown as Connection;
    });
  });

  const reached = () => sent.filter(messages => messages.length > 0).length;

  it('sends in slices, each after whatever else waits, to everybody once', async () => {
    broadcast.start('news', connections);
    const slices = [reached()];
    while (reached() < COUNT) {
      await turn();
      slices.push(reached());
    }
    expect(slices.length).toBeGreaterThan(2);
    expect(slices[0]).toBeGreaterThan(0);
    await turn();
    expect(sent).toEqual(connections.map(() => ['news']));
  });

  it('comes before whatever its receiver is told next', () => {
    broadcast.start('news', connections);
    const last = connections.at(-1) as Connection;
    broadcast.catchUp(last);
    broadcast.catchUp(last);
    expect(sent.at(-1)).toEqual(['news']);
  });

  it('sends what the buffer held when it began, whatever the app writes into it then', async () => {
    const buffer = Buffer.from('news');
    broadcast.start(buffer, connections);
    buffer.fill('x');
    while (reached() < COUNT) await turn();
    expect(sent.slice(-1).map(([first]) => String(first))).toEqual(['news']);
  });

  it('loses nobody where another begins while it is being sent to who is left', async () => {
    broadcast.start('first', connections);
    const last = connections.at(-1) as unknown as { socket: { sendShared(message: SharedMessage): void } };
    const { sendShared } = last.socket;
    last.socket.sendShared = message => {
      sendShared(message);
      if (String(message.payload) === 'first') broadcast.start('second', connections);
    };
    broadcast.start('third', connections);
    while (sent.some(messages => messages.length < 3)) await turn();
    expect(sent).toEqual(connections.map(() => ['first', 'second', 'third']));
  });

  it('ends at once when the next begins, so that all get both in order', async () => {
    broadcast.start('first', connections);
    broadcast.start('second', connections.slice(0, 50));
    expect(reached()).toBe(COUNT);
    while (sent[49]?.length !== 2) await turn();
    await turn();
    expect(sent).toEqual(connections.map((_, index) => (index < 50 ? ['first', 'second'] : ['first'])));
  });
});
