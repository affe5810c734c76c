import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { Link, microsOf, msBetween, NEVER, phaseOf, placeOf, Pulse } from './pulse.js';

class Named extends Link {
  constructor(readonly name: string) {
    super();
  }
}

function namesIn(head: Link): string[] {
  const names: string[] = [];
  for (let link = head.next; link !== head; link = link.next) names.push((link as Named).name);
  return names;
}

function namesBackwards(head: Link): string[] {
  const names: string[] = [];
  for (let link = head.previous; link !== head; link = link.previous) names.push((link as Named).name);
  return names.toReversed();
}

describe('Link', () => {
  it('stands alone at first', () => {
    expect(namesIn(new Link())).toEqual([]);
  });

  it('is taken out twice as well as once, and out of no list at all', () => {
    const head = new Link();
    const link = new Named('a');
    link.unlink();
    link.appendTo(head);
    link.unlink();
    link.unlink();
    expect(namesIn(head)).toEqual([]);
  });

  it('moves from list to list, and to the end of its own', () => {
    const [left, right] = [new Link(), new Link()];
    const [a, b] = [new Named('a'), new Named('b')];
    for (const link of [a, b]) link.appendTo(left);
    a.appendTo(left);
    expect(namesIn(left)).toEqual(['b', 'a']);
    b.appendTo(right);
    expect([namesIn(left), namesIn(right)]).toEqual([['a'], ['b']]);
  });

  it('agrees with plain arrays, in both directions', () => {
    const move = fc.record({ link: fc.nat(5), to: fc.constantFrom<0 | 1 | null | 'all'>(0, 1, null, 'all') });
    fc.assert(
      fc.property(fc.array(move), moves => {
        const heads = [new Link(), new Link()];
        const links = Array.from({ length: 6 }, (_, index) => new Named(String(index)));
        let model: string[][] = [[], []];
        for (const { link: index, to } of moves) {
          if (to === 'all') {
            heads[0]!.emptyInto(heads[1]!);
            model = [[], [...model[1]!, ...model[0]!]];
            continue;
          }
          const link = links[index]!;
          model = model.map(names => names.filter(name => name !== link.name));
          if (to === null) link.unlink();
          else link.appendTo(heads[to]!);
          if (to !== null) model[to]?.push(link.name);
        }
        expect(heads.map(namesIn)).toEqual(model);
        expect(heads.map(namesBackwards)).toEqual(model);
      }),
    );
  });
});

describe('phaseOf', () => {
  it('is a whole number of thousandths, the same for neighbours', () => {
    const phases = Array.from({ length: 320 }, (_, serial) => phaseOf(serial));
    expect(phases.every(phase => Number.isInteger(phase) && phase >= 0 && phase < 1000)).toBe(true);
    expect(new Set(phases).size).toBe(10);
  });

  it.each([1000, 15_000, 100_000])('spreads %d that open together over all of the interval', count => {
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let serial = 1; serial <= count; serial++) tenths[Math.floor(phaseOf(serial) / 100)]!++;
    for (const each of tenths) expect(Math.abs(each - count / 10)).toBeLessThanOrEqual(2 * 32);
  });
});

describe('placeOf', () => {
  it('has no two near each other, however many there are', () => {
    const places = Array.from({ length: 1000 }, (_, serial) => placeOf(serial)).toSorted((left, right) => left - right);
    const gaps = places.slice(1).map((place, index) => place - places[index]!);
    expect(Math.min(...gaps)).toBeGreaterThan(0.3 / 1000);
    expect(Math.max(...gaps)).toBeLessThan(3 / 1000);
  });
});

describe('Pulse', () => {
  it('knows at first of no message, no ping and no unfinished message', () => {
    const pulse = new Pulse('owner', 500);
    expect(pulse).toMatchObject({
      owner: 'owner',
      phase: 500,
      messageAt: NEVER,
      activeAt: NEVER,
      pingedAt: NEVER,
      incompleteSince: NEVER,
      missed: 0,
    });
  });

  it('has nothing unanswered once it was heard', () => {
    const pulse = new Pulse('owner', 0);
    Object.assign(pulse, { pingedAt: 400, missed: 1 });
    pulse.hear(300);
    expect(pulse).toMatchObject({ silentSince: 300, pingedAt: NEVER, missed: 0 });
  });
});

describe('microsOf and msBetween', () => {
  it('give the time between two moments to a microsecond, also where the count begins anew in between', () => {
    const moment = fc.double({ min: 0, max: 1e12, noNaN: true });
    const elapsed = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(moment, elapsed, (from, ms) => {
        expect(Math.abs(msBetween(microsOf(from), microsOf(from + ms)) - ms)).toBeLessThan(0.002);
      }),
    );
  });

  it('stay small integers', () => {
    expect([0, 1e6, 1e12].map(microsOf).every(micros => Number.isInteger(micros) && micros < 2 ** 30)).toBe(true);
  });
});
