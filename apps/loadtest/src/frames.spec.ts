import { describe, expect, it } from '@jest/globals';
import { closeCodeOf, closePayload, encodeFrame, NO_STATUS, OPCODE } from './frames.js';

describe('encodeFrame', () => {
  it('writes the masked "Hello" of RFC 6455, section 5.7', () => {
    expect(encodeFrame(OPCODE.text, Buffer.from('Hello'), 0x37fa213d).toString('hex')).toBe('818537fa213d7f9f4d5158');
  });

  it('takes a mask of any number', () => {
    expect(encodeFrame(OPCODE.pong, Buffer.alloc(1), 0xff_00_00_00 + 0.5).toString('hex')).toBe('8a81ff000000ff');
  });

  it.each([
    [0, '8280'],
    [125, '82fd'],
    [126, '82fe007e'],
    [65_535, '82feffff'],
    [65_536, '82ff0000000000010000'],
  ])('writes the length %i in its shortest form', (length, head) => {
    const frame = encodeFrame(OPCODE.binary, Buffer.alloc(length), 0);
    expect(frame.toString('hex').startsWith(head)).toBe(true);
    expect(frame.length).toBe(head.length / 2 + 4 + length);
  });
});

describe('a close payload', () => {
  it('holds its code', () => {
    expect(closePayload(1001).toString('hex')).toBe('03e9');
    expect(closeCodeOf(Buffer.from('0fa0ffff', 'hex'))).toBe(4000);
  });

  it('is empty without one', () => {
    expect(closePayload(NO_STATUS)).toHaveLength(0);
    expect(closeCodeOf(Buffer.alloc(0))).toBe(NO_STATUS);
  });
});
