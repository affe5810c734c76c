import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { collected } from '../../../../test/support/heap-bytes.js';
import { MESSAGE_OVERHEAD_BYTES, MessageQueue, type RawMessage } from './message-queue.js';

const message = fc.record({
  data: fc
    .oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1000, maxLength: 1100 }))
    .map(Buffer.from),
  isBinary: fc.boolean(),
});

describe('MessageQueue', () => {
  it('returns what was put in, in order, and counts what waits', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(message, fc.constant('shift' as const)), { maxLength: 200 }), steps => {
        const queue = new MessageQueue();
        const waiting: RawMessage[] = [];
        for (const step of steps) {
          if (step === 'shift') {
            const expected = waiting.shift();
            const got = queue.shift();
            expect(got && { data: Buffer.from(got.data), isBinary: got.isBinary }).toEqual(expected);
          } else {
            const given = Buffer.from(step.data);
            queue.push(given, step.isBinary);
            // Whatever becomes of the read that it came in.
            if (given.length < 1000) given.fill(0);
            waiting.push(step);
          }
          const bytes = waiting.reduce((sum, { data }) => sum + data.length + MESSAGE_OVERHEAD_BYTES, 0);
          expect(queue.bytes).toBe(bytes);
        }
      }),
    );
  });

  it('is empty when it was cleared', () => {
    const queue = new MessageQueue();
    for (let count = 0; count < 1000; count++) queue.push(Buffer.from('abc'), false);
    queue.clear();
    expect([queue.bytes, queue.shift()]).toEqual([0, undefined]);
  });

  it.each([
    ['empty', 0],
    ['of a byte', 1],
    ['of 40 bytes', 40],
    ['too large for a block', 2000],
  ])('costs no more than it counts, for messages that are %s', (_what, length) => {
    const memory = () => collected() + process.memoryUsage().arrayBuffers;
    const before = memory();
    const queue = new MessageQueue();
    for (let sent = 0; sent < 20_000; sent++) queue.push(Buffer.alloc(length), false);
    const cost = memory() - before;
    expect(cost).toBeLessThan(queue.bytes * 1.1 + 100_000);
  });
});
