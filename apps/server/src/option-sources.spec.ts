import { describe, expect, it } from '@jest/globals';

import { sourcesOf } from './option-sources.js';

describe('sourcesOf', () => {
  it('names the variable of each option that is set', () => {
    const given = {
      LIMITS_MAX_PER_IP: '5',
      NODE_NAME: 'blue',
      ADMIN_TOKEN_FILE: '/run/secrets/token',
      ADMIN_TOKEN: 'its content',
      JWKS_FILE: '/keys.json',
      PORT: '3000',
    };
    const { ADMIN_TOKEN: _content, ...environment } = given;
    expect(sourcesOf(environment)).toEqual({
      'limits.maxPerIp': 'LIMITS_MAX_PER_IP',
      'cluster.nodeName': 'NODE_NAME',
      'admin.tokens': 'ADMIN_TOKEN_FILE',
      authenticate: 'JWKS_FILE',
    });
    expect(sourcesOf({ ADMIN_VIEWER_TOKEN: 'x' })).toEqual({ 'admin.tokens': 'ADMIN_VIEWER_TOKEN' });
  });
});
