import { describe, expect, it } from '@jest/globals';

import { addressesOf, greeting } from './greeting.js';

const bound = { address: '127.0.0.1', port: 4000, family: 'IPv4' };
const settings = { wsPath: '/ws', logFormat: 'text', generatedToken: 'secret' } as const;

describe('addressesOf', () => {
  it.each([
    ['127.0.0.1', 'IPv4', 'http://127.0.0.1:4000', 'ws://127.0.0.1:4000/ws'],
    ['0.0.0.0', 'IPv4', 'http://127.0.0.1:4000', 'ws://127.0.0.1:4000/ws'],
    ['::1', 'IPv6', 'http://[::1]:4000', 'ws://[::1]:4000/ws'],
    ['::', 'IPv6', 'http://127.0.0.1:4000', 'ws://127.0.0.1:4000/ws'],
  ])('of a server on %s can be used from this machine', (address, family, http, webSocket) => {
    expect(addressesOf({ address, family, port: 4000 }, '/ws')).toEqual({
      http,
      webSocket,
      health: `${http}/health`,
      admin: `${http}/admin`,
      docs: `${http}/docs`,
    });
  });
});

describe('greeting', () => {
  it('shows every address, and the token that was made', () => {
    const text = greeting(bound, settings);
    for (const { url } of [
      { url: 'http://127.0.0.1:4000' },
      { url: 'ws://127.0.0.1:4000/ws' },
      { url: 'http://127.0.0.1:4000/health' },
      { url: 'http://127.0.0.1:4000/admin/connections' },
      { url: 'http://127.0.0.1:4000/docs' },
    ]) {
      expect(text).toContain(url);
    }
    expect(text).toContain('Admin token  secret');
  });

  it('does not show a token that was given', () => {
    const text = greeting(bound, { ...settings, generatedToken: null });
    expect(text).toContain('Bearer $ADMIN_TOKEN');
    expect(text).not.toContain('null');
  });

  it('is one line of JSON for programs, the token in it', () => {
    const line = greeting(bound, { ...settings, logFormat: 'json' });
    expect(line).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(line)).toMatchObject({
      level: 'log',
      message: 'listening on http://127.0.0.1:4000',
      webSocket: 'ws://127.0.0.1:4000/ws',
      adminToken: 'secret',
    });
  });
});
