import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { Link } from '../connection/link.js';
import { Wheel } from './wheel.js';

const STEP = 50;
/** The wheel's size. Later items are returned early, and scheduled again by the caller. */
const TURN = 1023 * STEP;

class Item extends Link {
  constructor(
    readonly name: string,
    public checkDueAt: number,
  ) {
    super();
  }
}

function takeAll(wheel: Wheel<Item>): string[] {
  const names: string[] = [];
  for (let item = wheel.take(); item !== undefined; item = wheel.take()) names.push(item.name);
  return names;
}

describe('Wheel', () => {
  it('returns nothing before an item is due', () => {
    const wheel = new Wheel<Item>(STEP);
    wheel.schedule(new Item('a', 100));
    wheel.advance(99);
    expect(wheel.take()).toBeUndefined();
  });

  it.each([
    ['on its step', 100, 100],
    ['between two steps, at the later one', 101, 150],
    ['at the current time, at the next step', 0, 50],
    ['long ago, at the next step', -5000, 50],
    ['with a fraction', 99.5, 100],
    ['at the last step of a turn', TURN, TURN],
  ])('returns an item that is due %s', (_what, dueAt, handedOutAt) => {
    const wheel = new Wheel<Item>(STEP);
    wheel.schedule(new Item('a', dueAt));
    wheel.advance(handedOutAt - 1);
    expect(takeAll(wheel)).toEqual([]);
    wheel.advance(handedOutAt);
    expect(takeAll(wheel)).toEqual(['a']);
  });

  it('returns items in the order of the steps, and within a step in the order of scheduling', () => {
    const wheel = new Wheel<Item>(STEP);
    for (const [name, dueAt] of [
      ['d', 200],
      ['b', 100],
      ['a', 50],
      ['c', 90],
    ] as const) {
      wheel.schedule(new Item(name, dueAt));
    }
    wheel.advance(200);
    expect(takeAll(wheel)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('returns an item that is more than one turn away at the end of the turn, to be scheduled again', () => {
    const wheel = new Wheel<Item>(STEP);
    wheel.schedule(new Item('far', 10 * TURN));
    wheel.advance(TURN - 1);
    expect(takeAll(wheel)).toEqual([]);
    wheel.advance(TURN);
    expect(takeAll(wheel)).toEqual(['far']);
  });

  it('never returns an unlinked item, neither before nor after it was due', () => {
    const wheel = new Wheel<Item>(STEP);
    const items = ['a', 'b', 'c'].map(name => new Item(name, 50));
    for (const item of items) wheel.schedule(item);
    items[0]?.unlink();
    wheel.advance(50);
    items[2]?.unlink();
    expect(takeAll(wheel)).toEqual(['b']);
  });

  it('moves an item that is scheduled again, so that it is returned once', () => {
    const wheel = new Wheel<Item>(STEP);
    const item = new Item('a', 100);
    wheel.schedule(item);
    item.checkDueAt = 300;
    wheel.schedule(item);
    wheel.advance(250);
    expect(takeAll(wheel)).toEqual([]);
    wheel.advance(300);
    expect(takeAll(wheel)).toEqual(['a']);
  });

  it('keeps a due item that was not taken at once', () => {
    const wheel = new Wheel<Item>(STEP);
    wheel.schedule(new Item('a', 50));
    wheel.schedule(new Item('b', 100));
    wheel.advance(50);
    wheel.advance(100);
    expect(takeAll(wheel)).toEqual(['a', 'b']);
  });

  it('does not move backwards', () => {
    const wheel = new Wheel<Item>(STEP);
    wheel.advance(1000);
    wheel.advance(0);
    wheel.schedule(new Item('a', 1050));
    wheel.advance(1000);
    expect(takeAll(wheel)).toEqual([]);
    wheel.advance(1050);
    expect(takeAll(wheel)).toEqual(['a']);
  });

  it('agrees with a plain list about due items', () => {
    const time = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 3 * TURN }));
    const change = fc.record({
      item: fc.nat(9),
      dueIn: fc.oneof(time, fc.integer({ min: -200, max: 0 }), fc.constant(null)),
    });
    const round = fc.record({ changes: fc.array(change, { maxLength: 8 }), goOn: time });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 20 }), rounds => {
        const wheel = new Wheel<Item>(STEP);
        const items = Array.from({ length: 10 }, (_, index) => new Item(String(index), 0));
        /** The step at which each scheduled item is returned. */
        const model = new Map<string, number>();
        let now = 0;
        for (const { changes, goOn } of rounds) {
          const step = Math.floor(now / STEP);
          for (const { item: index, dueIn } of changes) {
            const item = items[index]!;
            item.unlink();
            model.delete(item.name);
            if (dueIn === null) continue;
            item.checkDueAt = now + dueIn;
            wheel.schedule(item);
            model.set(item.name, Math.min(Math.max(step + 1, Math.ceil(item.checkDueAt / STEP)), step + 1023));
          }
          now += goOn;
          wheel.advance(now);
          const due = [...model].filter(([, at]) => at <= Math.floor(now / STEP)).map(([name]) => name);
          const handedOut = takeAll(wheel);
          expect(handedOut.toSorted()).toEqual(due.toSorted());
          const steps = handedOut.map(name => model.get(name)!);
          expect(steps).toEqual(steps.toSorted((left, right) => left - right));
          for (const name of handedOut) model.delete(name);
        }
      }),
    );
  });
});
