import { describe, expect, it } from '@jest/globals';
import { closeCodeOf, closePayload, encodeFrame, NO_STATUS, Opcode } from './frames.js';

describe('encodeFrame', () => {
  it('writes the "Hello" of RFC 6455, section 5.7, bare and masked', () => {
    const hello = { opcode: Opcode.text, payload: 'Hello' };
    expect(encodeFrame({ ...hello, mask: false }).toString('hex')).toBe('810548656c6c6f');
    expect(encodeFrame({ ...hello, mask: 0x37fa213d }).toString('hex')).toBe('818537fa213d7f9f4d5158');
  });

  it('takes a mask of any number', () => {
    const frame = encodeFrame({ opcode: Opcode.pong, payload: Buffer.alloc(1), mask: 0xff_00_00_00 + 0.5 });
    expect(frame.toString('hex')).toBe('8a81ff000000ff');
  });

  it('masks by a random key, on a copy', () => {
    const payload = Buffer.alloc(64, 'x');
    const keys = [1, 2].map(() => encodeFrame({ opcode: Opcode.binary, payload }).toString('hex', 2, 6));
    expect(keys[0]).not.toBe(keys[1]);
    expect(payload).toEqual(Buffer.alloc(64, 'x'));
  });

  it.each([
    [0, '8280'],
    [125, '82fd'],
    [126, '82fe007e'],
    [65_535, '82feffff'],
    [65_536, '82ff0000000000010000'],
  ])('writes the length %i in its shortest form', (length, head) => {
    const frame = encodeFrame({ opcode: Opcode.binary, payload: Buffer.alloc(length), mask: 0 });
    expect(frame.toString('hex').startsWith(head)).toBe(true);
    expect(frame.length).toBe(head.length / 2 + 4 + length);
  });

  it('writes what breaks the rules: reserved bits, a fragment, another length than that of the payload', () => {
    const bytes = encodeFrame({ opcode: 3, rsv: 4, fin: false, payload: 'ab', claimedLength: 100_000, mask: false });
    expect(bytes.toString('hex')).toBe('437f00000000000186a06162');
  });
});

describe('a close payload', () => {
  it('is the code in network order and the reason', () => {
    expect(closePayload(1001).toString('hex')).toBe('03e9');
    expect(closePayload(1001, 'é').toString('hex')).toBe('03e9c3a9');
  });

  it('names its code, and the absence of one', () => {
    expect(closeCodeOf(Buffer.from('0fa0ffff', 'hex'))).toBe(4000);
    expect(closeCodeOf(Buffer.alloc(0))).toBe(NO_STATUS);
  });
});
