import { describe, expect, it } from '@jest/globals';

import { PacketParts } from './packet-parts.js';

const VALUE = Buffer.from([1]);

describe('PacketParts', () => {
  it.each([
    ['31["ok"]', true],
    ['3/chat,7[]', true],
    ['61-2[{"_placeholder":true,"num":0}]', true],
    ['2["message"]', false],
    ['51-["upload",{"_placeholder":true,"num":0}]', false],
    ['0', false],
    ['1', false],
    ['', false],
    [undefined, false],
  ])('lets acknowledgements pass: %s', (packet, passes) => {
    expect(new PacketParts().mayPass(packet)).toBe(passes);
  });

  it('lets the binary values of an acknowledgement pass, and nothing between them', () => {
    const parts = new PacketParts();
    parts.passed('62-2[]');
    expect([parts.mayPass('31[]'), parts.mayPass(VALUE)]).toEqual([false, true]);
    parts.passed(VALUE);
    expect([parts.mayPass('31[]'), parts.mayPass(VALUE)]).toEqual([false, true]);
    parts.passed(VALUE);
    expect([parts.mayPass('31[]'), parts.mayPass(VALUE)]).toEqual([true, false]);
  });

  it('lets no binary value pass whose packet waits, or that follows one that waits', () => {
    const parts = new PacketParts();
    parts.waits();
    expect(parts.mayPass(VALUE)).toBe(false);
    const split = new PacketParts();
    split.passed('52-["upload"]');
    split.waits();
    expect([split.mayPass(VALUE), split.mayPass('31[]')]).toEqual([false, false]);
    split.taken(VALUE);
    split.taken(VALUE);
    expect(split.mayPass('31[]')).toBe(true);
  });

  it('expects no value after the packet of another kind', () => {
    const parts = new PacketParts();
    parts.passed('2["a"]');
    parts.passed('5-["none"]');
    expect([parts.mayPass(VALUE), parts.mayPass('31[]')]).toEqual([false, true]);
  });
});
