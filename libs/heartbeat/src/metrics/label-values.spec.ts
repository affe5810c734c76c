import { describe, expect, it } from '@jest/globals';

import { CloseCodes } from '../close-code.js';
import { CODE_LABELS, codeLabel } from './label-values.js';

describe('codeLabel', () => {
  it.each(Object.values(CloseCodes).map(({ code }) => code))('knows our own %i', code => {
    expect(codeLabel(code)).toBe(String(code));
  });

  it.each([1000, 1002, 1005, 1011])('knows the standard’s %i', code => {
    expect(codeLabel(code)).toBe(String(code));
  });

  it.each([0, 999, 1004, 1015, 3000, 3999, 4006, 4499, 4504, 4999, 65_535, -1, Number.NaN, 1000.5])(
    'takes %d together with all others',
    code => {
      expect(codeLabel(code)).toBe('other');
    },
  );

  it('has no label but the bound ones, whatever the code', () => {
    const labels = new Set(Array.from({ length: 70_000 }, (_, code) => codeLabel(code)));
    expect([...labels].toSorted()).toEqual([...CODE_LABELS].toSorted());
  });
});
