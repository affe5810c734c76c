import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { heapBytesOf } from '../../../../test/support/assert/heap-bytes.js';
import { detachString } from './detach-string.js';

const piece = (text: string) => text.slice(100, 140);

describe('detachString', () => {
  it('is the same text', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 255 })), codes => {
        const text = String.fromCharCode(...codes);
        expect(detachString(text)).toBe(text);
      }),
    );
  });

  it('does not keep the text that it is a piece of', () => {
    expect(heapBytesOf(piece)).toBeGreaterThan(5000);
    expect(heapBytesOf(text => detachString(piece(text)))).toBeLessThan(1000);
  });
});
