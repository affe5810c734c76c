import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { Link } from './link.js';

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
  it('is unlinked at first', () => {
    expect(namesIn(new Link())).toEqual([]);
  });

  it('may be unlinked twice, or without a list', () => {
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
