import { beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';

import { Broadcast } from './broadcast.js';
import type { Connection } from '../connection/connection.js';
import type { SharedMessage } from '../connection/shared-message.js';

const COUNT = 100;
/** Long enough for a few of them to fill a slice. */
const SEND_MS = 0.25;

const texts = (count: number) => Array.from({ length: count }, (_, place) => `m${place}`);

describe('Broadcast', () => {
  let broadcast: Broadcast;
  let sent: string[][];
  let connections: Connection[];

  beforeEach(() => {
    broadcast = new Broadcast();
    sent = Array.from({ length: COUNT }, () => []);
    connections = sent.map((messages, place) => {
      const writeShared = ({ payload }: SharedMessage) => {
        for (const end = performance.now() + SEND_MS; performance.now() < end;);
        messages.push(String(payload));
      };
      const transport = { isOpen: true, writeShared };
      return { channel: transport, admits: () => true, serial: place + 1, lastShared: 0 } as unknown as Connection;
    });
  });

  const reached = () => sent.filter(messages => messages.length > 0).length;

  it('sends in slices, each after other pending work, to all receivers once', async () => {
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

  it('is sent before any later message to its receiver', () => {
    broadcast.start('news', connections);
    const last = connections.at(-1) as Connection;
    broadcast.catchUp(last);
    broadcast.catchUp(last);
    expect(sent.at(-1)).toEqual(['news']);
  });

  it('sends the content of the buffer at its start, regardless of later writes of the app', async () => {
    const buffer = Buffer.from('news');
    broadcast.start(buffer, connections);
    buffer.fill('x');
    while (reached() < COUNT) await turn();
    expect(sent.slice(-1).map(([first]) => String(first))).toEqual(['news']);
  });

  it('keeps the order of the calls where another begins while it is being sent', async () => {
    broadcast.start('first', connections);
    const last = connections.at(-1)!.channel;
    const { writeShared } = last;
    last.writeShared = message => {
      writeShared(message);
      if (String(message.payload) === 'first') broadcast.start('second', connections);
    };
    broadcast.start('third', connections);
    while (sent.some(messages => messages.length < 3)) await turn();
    expect(sent).toEqual(connections.map(() => ['first', 'third', 'second']));
  });

  it('sends many in a row in slices, each connection all of its messages in order', async () => {
    for (const [place, text] of texts(5).entries()) broadcast.start(text, connections.slice(0, COUNT - 10 * place));
    const perTurn = [total()];
    while (total() < 400) {
      await turn();
      perTurn.push(total());
    }
    expect(perTurn.length).toBeGreaterThan(10);
    await turn();
    expect(sent).toEqual(connections.map((_, index) => texts(Math.min(5, Math.ceil((COUNT - index) / 10)))));
  });

  it('sends pending messages before a later one to the same connection, each once', async () => {
    for (const text of texts(5)) broadcast.start(text, connections);
    broadcast.catchUp(connections[60] as Connection);
    broadcast.catchUp(connections[60] as Connection);
    expect(sent[60]).toEqual(texts(5));
    expect(sent[99]).toEqual([]);
    while (total() < 5 * COUNT) await turn();
    await turn();
    expect(sent).toEqual(connections.map(() => texts(5)));
  });

  it('sends to a few at once, after their pending messages', async () => {
    broadcast.start('to all', connections);
    broadcast.start('to two', [connections[98] as Connection, connections[99] as Connection]);
    expect(sent.slice(97)).toEqual([[], ['to all', 'to two'], ['to all', 'to two']]);
    while (reached() < COUNT) await turn();
    await turn();
    expect(total()).toBe(COUNT + 2);
  });

  it('accepts receivers in any order', async () => {
    broadcast.start('a', connections.toReversed());
    broadcast.start(
      'b',
      connections.toSorted(({ serial }, other) => (serial % 7) - (other.serial % 7)),
    );
    broadcast.catchUp(connections[50] as Connection);
    expect(sent[50]).toEqual(['a', 'b']);
    while (total() < 2 * COUNT) await turn();
    expect(sent).toEqual(connections.map(() => ['a', 'b']));
  });

  it('sends no earlier message to a connection that opened later', async () => {
    broadcast.start('to all', connections.slice(0, 99));
    broadcast.catchUp(connections[99] as Connection);
    while (reached() < 99) await turn();
    await turn();
    expect(sent[99]).toEqual([]);
  });

  it.each<[string, number, number]>([
    ['1,000 messages', 1000, 1],
    ['32 MiB', 4, 8 * 1024 * 1024 - 1000],
  ])('keeps at most %s, and finishes the oldest for one more', (_what, most, size) => {
    const counts = connections.map(() => 0);
    for (const [place, { channel }] of connections.entries()) {
      Object.assign(channel, { writeShared: () => counts[place]!++ });
    }
    // The first slice must end early.
    Object.assign(connections[0]!.channel, { writeShared: () => busy(1) });
    for (let message = 0; message < most; message++) broadcast.start('x'.repeat(size), connections);
    expect(counts[99]).toBe(0);
    broadcast.start('x'.repeat(size), connections);
    expect(counts[99]).toBe(1);
  });

  const total = () => sent.reduce((sum, messages) => sum + messages.length, 0);
});

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}
