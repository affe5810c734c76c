import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { collected } from '../../../../test/support/assert/heap-bytes.js';
import { MESSAGE_OVERHEAD_BYTES, MessageQueue, type RawMessage } from './message-queue.js';

const message = fc.record({
  data: fc
    .oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1000, maxLength: 1100 }))
    .map(Buffer.from),
  isBinary: fc.boolean(),
});

const memory = () => collected() + process.memoryUsage().arrayBuffers;

describe('MessageQueue', () => {
  it('returns messages in order, and counts the waiting bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(message, fc.constantFrom('shift' as const, 'settle' as const)), { maxLength: 200 }),
        steps => {
          const queue = new MessageQueue();
          const waiting: RawMessage[] = [];
          for (const step of steps) {
            const isTaken = step === 'shift';
            if (step === 'settle') queue.settle();
            else if (step !== 'shift') {
              queue.push({ data: Buffer.from(step.data), isBinary: step.isBinary });
              waiting.push(step);
            }
            const taken = isTaken ? queue.shift() : undefined;
            const copy = taken && { data: Buffer.from(taken.data), isBinary: taken.isBinary };
            expect(copy).toEqual(isTaken ? waiting.shift() : undefined);
            const bytes = waiting.reduce((sum, { data }) => sum + data.length + MESSAGE_OVERHEAD_BYTES, 0);
            expect(queue.bytes).toBe(bytes);
          }
        },
      ),
    );
  });

  it('stores settled messages apart from the read that they arrived in', () => {
    const queue = new MessageQueue();
    const read = Buffer.alloc(65_536, 'x');
    for (const [start, end] of [
      [0, 10],
      [10, 3000],
    ] as const) {
      queue.push({ data: read.subarray(start, end), isBinary: false });
    }
    queue.settle();
    read.fill(0);
    const [small, large] = [queue.shift()!.data, queue.shift()!.data];
    expect([small.toString(), large.toString()]).toEqual(['x'.repeat(10), 'x'.repeat(2990)]);
    for (const { buffer } of [small, large]) expect(buffer.byteLength).toBeLessThan(10_000);
  });

  it('is empty after it was cleared', () => {
    const queue = new MessageQueue();
    for (let count = 0; count < 1000; count++) queue.push({ data: Buffer.from('abc'), isBinary: false });
    queue.clear();
    expect([queue.bytes, queue.shift()]).toEqual([0, undefined]);
  });

  it.each([
    ['empty', 0],
    ['of a byte', 1],
    ['of 40 bytes', 40],
    ['too large for a block', 2000],
  ])('uses no more memory than it counts, for messages that are %s', (_what, length) => {
    const before = memory();
    const queue = new MessageQueue();
    for (let sent = 0; sent < 20_000; sent++) queue.push({ data: Buffer.alloc(length), isBinary: false });
    queue.settle();
    const cost = memory() - before;
    expect(cost).toBeLessThan(queue.bytes * 1.1 + 100_000);
  });
});
