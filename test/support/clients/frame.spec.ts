import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { closePayload, encodeFrame, FrameDecoder, Opcode } from './frame.js';

describe('encodeFrame and FrameDecoder', () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('carry a payload of %i bytes, masked and bare', length => {
    const payload = Buffer.alloc(length, 'abc');
    for (const mask of [true, false]) {
      const [frame, ...more] = new FrameDecoder().push(encodeFrame({ opcode: Opcode.binary, payload, mask }));
      expect(more).toEqual([]);
      expect(frame).toMatchObject({ fin: true, rsv: 0, opcode: Opcode.binary, masked: mask });
      expect(frame?.payload.equals(payload)).toBe(true);
    }
  });

  it('write what RFC 6455 section 5.7 shows', () => {
    expect(encodeFrame({ opcode: Opcode.text, payload: 'Hello', mask: false }).toString('hex')).toBe('810548656c6c6f');
    const masked = Buffer.from('818537fa213d7f9f4d5158', 'hex');
    expect(new FrameDecoder().push(masked)[0]?.payload.toString()).toBe('Hello');
  });

  it('do not alter the sender’s payload when they mask', () => {
    const payload = Buffer.from('Hello');
    encodeFrame({ opcode: Opcode.text, payload });
    expect(payload.toString()).toBe('Hello');
  });

  it('find the same frames however the bytes are cut', () => {
    const anyFrame = fc.record({
      opcode: fc.constantFrom(...Object.values(Opcode)),
      payload: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
      fin: fc.boolean(),
      rsv: fc.nat(7),
      mask: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
        const decoder = new FrameDecoder();
        const got = pieces(Buffer.concat(sent.map(encodeFrame)), cuts).flatMap(piece => decoder.push(piece));
        expect(got.map(({ masked, ...frame }) => ({ ...frame, mask: masked }))).toEqual(sent);
        expect(decoder.pendingBytes).toBe(0);
      }),
    );
  });

  it('keep an unfinished frame and say how much of it there is', () => {
    const decoder = new FrameDecoder();
    const bytes = encodeFrame({ opcode: Opcode.text, payload: 'Hello', mask: false });
    expect(decoder.push(bytes.subarray(0, 4))).toEqual([]);
    expect(decoder.pendingBytes).toBe(4);
    expect(decoder.push(bytes.subarray(4))).toHaveLength(1);
  });

  it('claim another length than the payload has', () => {
    const bytes = encodeFrame({ opcode: Opcode.binary, payload: 'ab', claimedLength: 100_000 });
    expect(new FrameDecoder().push(bytes)).toEqual([]);
    expect(bytes.readBigUInt64BE(2)).toBe(100_000n);
  });
});

describe('closePayload', () => {
  it('is the code in network order and the reason', () => {
    expect(closePayload(1001, 'bye')).toEqual(Buffer.from([0x03, 0xe9, 0x62, 0x79, 0x65]));
  });
});

/** Cuts bytes into pieces of the given sizes; what is left is the last piece. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  let at = 0;
  const cut = sizes.map(size => bytes.subarray(at, (at += size)));
  return [...cut, bytes.subarray(at)];
}
