import { describe, expect, it } from '@jest/globals';
import { DEFAULT_ROUTES } from 'nestjs-heartbeat/tooling';

import { linksOf } from './home-page.js';

describe('the links of the home page', () => {
  it.each([
    ['all routes', {}, false, { docs: '/docs', health: '/health', metrics: '/metrics', admin: '/admin/connections' }],
    ['an admin port', {}, true, { health: '/health' }],
    [
      'no metrics',
      { metrics: false as const },
      false,
      { docs: '/docs', health: '/health', admin: '/admin/connections' },
    ],
    ['no admin API', { admin: false as const }, false, { docs: '/docs', health: '/health', metrics: '/metrics' }],
    ['no health, and an admin port', { health: false as const }, true, {}],
    [
      'other paths',
      { admin: '/ops', health: '/up' },
      false,
      { docs: '/docs', health: '/up', metrics: '/metrics', admin: '/ops/connections' },
    ],
  ])('with %s', (_, routes, hasAdminPort, expected) => {
    expect(linksOf({ ...DEFAULT_ROUTES, ...routes }, hasAdminPort)).toEqual(expected);
  });
});
