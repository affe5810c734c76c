import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { maxPieces, WaitingPieces } from './waiting-pieces.js';

/** A socket whose reads by the kernel the test controls. */
class Line {
  readonly sizes: number[] = [];
  taken = 0;
  #given = 0;

  get bytesTaken(): number {
    return this.taken;
  }
  get bytesGiven(): number {
    return this.#given;
  }

  write(size: number): void {
    this.sizes.push(size);
    this.#given += size;
  }

  take(bytes: number): void {
    this.taken = Math.min(this.#given, this.taken + bytes);
  }

  /** Messages of which a part still waits. */
  get waiting(): number {
    let end = 0;
    return this.sizes.filter(size => (end += size) > this.taken).length;
  }
}

describe('WaitingPieces', () => {
  it('counts each message where nothing is taken', () => {
    const line = new Line();
    const pieces = new WaitingPieces(line);
    for (let count = 1; count <= 500; count++) {
      pieces.add(line);
      line.write(2);
      expect(pieces.count(line)).toBe(count);
    }
    expect([pieces.isFull(501, line), pieces.isFull(500, line)]).toEqual([false, true]);
  });

  it('removes taken messages, also for a reader that is always behind', () => {
    const line = new Line();
    line.write(100);
    const pieces = new WaitingPieces(line);
    for (let count = 0; count < 100_000; count++) {
      pieces.add(line);
      line.write(10);
      line.take(10);
    }
    expect(line.waiting).toBeGreaterThan(0);
    expect(pieces.count(line)).toBeLessThan(200);
  });

  it('never counts too few, and at most those that waited at the last two marks', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 3000 })), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, given => {
        const line = new Line();
        const pieces = new WaitingPieces(line);
        for (const [burst, taken] of given) {
          for (let count = 0; count < burst; count++) {
            pieces.add(line);
            line.write(1 + (count % 20));
          }
          line.take(taken);
          expect(pieces.count(line)).toBeGreaterThanOrEqual(line.waiting);
        }
      }),
    );
  });
});

describe('maxPieces', () => {
  it.each([
    [1024 * 1024, 4096],
    [64 * 1024 * 1024, 262_144],
    [65_536, 1024],
    [1, 1024],
  ])('of a limit of %p bytes is %p', (bytes, most) => {
    expect(maxPieces(bytes)).toBe(most);
  });
});
