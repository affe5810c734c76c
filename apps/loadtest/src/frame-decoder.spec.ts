import { describe, expect, it } from '@jest/globals';
import { array, assert, constantFrom, integer, property, tuple } from 'fast-check';
import { FrameDecoder } from './frame-decoder.js';
import { encodeFrame, Opcode } from './frames.js';

/** A frame as a server sends it. */
function serverFrame(opcode: number, payload: Buffer, fin = true): Buffer {
  return encodeFrame({ opcode, payload, fin, mask: false });
}

function decodeAll(decoder: FrameDecoder, chunks: readonly Buffer[]): [opcode: number, text: string][] {
  return chunks.flatMap(chunk =>
    decoder.read(chunk).map(({ opcode, payload }) => [opcode, payload.toString()] as [number, string]),
  );
}

function split(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, part) =>
    bytes.subarray(part * size, (part + 1) * size),
  );
}

describe('FrameDecoder', () => {
  it('gives several frames of one read in their order', () => {
    const bytes = Buffer.concat([
      serverFrame(Opcode.ping, Buffer.from('p')),
      serverFrame(Opcode.text, Buffer.from('hello')),
      serverFrame(Opcode.close, Buffer.alloc(0)),
    ]);
    expect(decodeAll(new FrameDecoder(), [bytes])).toEqual([
      [Opcode.ping, 'p'],
      [Opcode.text, 'hello'],
      [Opcode.close, ''],
    ]);
  });

  it('joins fragments, and lets control frames pass between them', () => {
    const bytes = Buffer.concat([
      serverFrame(Opcode.text, Buffer.from('one '), false),
      serverFrame(Opcode.ping, Buffer.alloc(0)),
      serverFrame(Opcode.continuation, Buffer.from('mess'), false),
      serverFrame(Opcode.continuation, Buffer.from('age')),
      serverFrame(Opcode.text, Buffer.from('next')),
    ]);
    expect(decodeAll(new FrameDecoder(), [bytes])).toEqual([
      [Opcode.ping, ''],
      [Opcode.text, 'one message'],
      [Opcode.text, 'next'],
    ]);
  });

  it('takes a compressed message only where compression was agreed', () => {
    const bytes = encodeFrame({ opcode: Opcode.text, rsv: 4, payload: 'deflated', mask: false });
    const agreed = new FrameDecoder();
    agreed.mayCompress = true;
    expect(agreed.read(bytes)).toMatchObject([{ opcode: Opcode.text, isCompressed: true }]);
    const notAgreed = new FrameDecoder();
    expect([notAgreed.read(bytes), notAgreed.violation]).toEqual([[], expect.stringContaining('reserved bit')]);
    expect(agreed.read(encodeFrame({ opcode: Opcode.ping, rsv: 4, mask: false }))).toEqual([]);
    expect(agreed.violation).toContain('reserved bit');
  });

  it('keeps what is unfinished even when the caller reuses its buffer', () => {
    const decoder = new FrameDecoder();
    const shared = Buffer.alloc(16);
    const bytes = serverFrame(Opcode.text, Buffer.from('a longer message than a read'));
    const frames = split(bytes, 7).flatMap(chunk => {
      shared.fill(0);
      chunk.copy(shared);
      return decodeAll(decoder, [shared.subarray(0, chunk.length)]);
    });
    expect(frames).toEqual([[Opcode.text, 'a longer message than a read']]);
  });

  it('gives the same frames however the bytes are cut', () => {
    const payload = integer({ min: 0, max: 70_000 }).map(length => Buffer.alloc(length, 'x'));
    const frame = tuple(constantFrom(Opcode.text, Opcode.binary), payload);
    assert(
      property(array(frame, { maxLength: 4 }), integer({ min: 1, max: 80_000 }), (frames, size) => {
        const bytes = Buffer.concat(frames.map(([opcode, body]) => serverFrame(opcode, body)));
        const decoded = decodeAll(new FrameDecoder(), split(bytes, Math.max(size, Math.ceil(bytes.length / 2000))));
        expect(decoded).toEqual(frames.map(([opcode, body]) => [opcode, body.toString()]));
      }),
      { numRuns: 50 },
    );
  });

  it('finds small frames byte by byte', () => {
    const bytes = Buffer.concat([
      serverFrame(Opcode.text, Buffer.alloc(130, 'y')),
      serverFrame(Opcode.ping, Buffer.alloc(0)),
    ]);
    expect(decodeAll(new FrameDecoder(), split(bytes, 1))).toEqual([
      [Opcode.text, 'y'.repeat(130)],
      [Opcode.ping, ''],
    ]);
  });

  it.each([
    ['a masked frame', '818500000000', /masked/],
    ['a reserved bit', 'c100', /reserved/],
    ['an unknown opcode', '8300', /opcode, 3/],
    ['a fragmented ping', '0900', /control/],
    ['a ping of 126 bytes', '897e007e', /control/],
    ['a continuation of nothing', '8000', /continuation/],
    ['a message inside a message', '01008100', /inside/],
    ['a gigabyte', '827f0000000040000000', /16 MiB/],
  ])('calls %s a violation and decodes no further', (_, hex, violation) => {
    const decoder = new FrameDecoder();
    expect(decodeAll(decoder, [Buffer.from(`${hex}8900`, 'hex')])).toEqual([]);
    expect(decoder.violation).toMatch(violation);
  });
});
