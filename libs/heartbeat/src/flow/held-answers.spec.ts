import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';

import type { Connection } from '../connection/connection.js';
import { HeldAnswers } from './held-answers.js';

/** A connection whose answers are held, like in the policy, and the sizes of its writes in messages. */
function client(held: HeldAnswers, inFlight: number) {
  const writes: number[] = [];
  const line = new Writable({
    write: (_bytes, _encoding, done) => (writes.push(1), done()),
    writev: (pieces, done) => (writes.push(pieces.length), done()),
  });
  const transport = {
    cork: () => line.cork(),
    uncork: () => line.uncork(),
    get bytesWaiting() {
      return line.writableLength;
    },
  };
  const connection = { inFlight, channel: transport } as unknown as Connection;
  const answer = (text: string) => {
    held.hold(connection);
    line.write(text);
  };
  return { writes, line, connection, answer };
}

const nextTick = () => new Promise<void>(resolve => process.nextTick(resolve));

describe('HeldAnswers', () => {
  it.each([
    [3, 'in one write', [3]],
    [1, 'at once, each for itself', [1, 1, 1]],
  ])('sends three answers with %d handlers in flight %s', async (inFlight, _how, expected) => {
    const { writes, line, answer } = client(new HeldAnswers(), inFlight);
    for (const text of ['one', 'two', 'three']) answer(text);
    expect(writes).toEqual(inFlight === 1 ? expected : []);
    await nextTick();
    expect([writes, line.writableCorked]).toEqual([expected, 0]);
  });

  it('also holds answers of one handler while messages wait for their turn', async () => {
    const held = new HeldAnswers();
    const { writes, answer } = client(held, 1);
    held.open();
    for (const text of ['one', 'two']) answer(text);
    await nextTick();
    expect(writes).toEqual([]);
    held.releaseAll();
    answer('three');
    expect(writes).toEqual([2, 1]);
  });

  it('sends held answers before another message, and holds no more than 2 KiB', () => {
    const held = new HeldAnswers();
    const { writes, connection, answer } = client(held, 1);
    held.open();
    answer('one');
    held.release(connection);
    expect(writes).toEqual([1]);
    for (let sent = 0; sent < 5; sent++) answer('x'.repeat(1000));
    expect(writes).toEqual([1, 3]);
  });
});
