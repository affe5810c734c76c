import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';

import { VERSION } from './version.js';

describe('VERSION', () => {
  it('is that of package.json', () => {
    const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    expect(JSON.parse(file)).toMatchObject({ version: VERSION });
  });
});
