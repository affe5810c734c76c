import { describe, expect, it } from '@jest/globals';

import { numbersIn, thisSystem } from './system-reader.js';

describe('thisSystem', () => {
  it('reads this machine', () => {
    expect(thisSystem.packageVersion('ws')).toMatch(/^\d+\.\d+\.\d+/);
    expect(thisSystem.heapLimitBytes()).toBeGreaterThan(1024 * 1024);
    expect(thisSystem.variable('PATH')).toBe(process.env['PATH']);
  });

  it('returns null for what does not exist', () => {
    expect(thisSystem.file('/proc/no-such-file')).toBeNull();
    expect(thisSystem.file('/proc')).toBeNull();
    expect(thisSystem.packageVersion('no-such-package')).toBeNull();
    expect(thisSystem.variable('NO_SUCH_VARIABLE')).toBeNull();
  });
});

describe('numbersIn', () => {
  it.each([
    ['7\n', [7]],
    ['32768\t60999\n', [32_768, 60_999]],
  ])('reads %j', (text, numbers) => {
    expect(numbersIn(() => text, '/x')).toEqual(numbers);
  });

  it.each([[null], [''], ['\n'], ['max'], ['-1'], ['1 a']])('finds none in %j', text => {
    expect(numbersIn(() => text, '/x')).toBeNull();
  });
});
