import { describe, expect, it } from '@jest/globals';
import { FLAGS, usage } from './flags.js';

describe('usage', () => {
  it('names every flag with its default', () => {
    for (const [name, flag] of Object.entries(FLAGS)) {
      const line = usage()
        .split('\n')
        .find(text => text.startsWith(`  --${name} `));
      expect(line).toContain(flag.meaning);
      expect(line?.endsWith(`[${flag.default}]`)).toBe(flag.default !== '');
    }
  });
});
