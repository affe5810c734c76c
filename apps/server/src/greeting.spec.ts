import { describe, expect, it } from '@jest/globals';

import { addressesOf, greeting } from './greeting.js';

const bound = { address: '127.0.0.1', port: 4000, family: 'IPv4' };
const settings = {
  wsPath: '/ws',
  logFormat: 'text',
  generatedToken: 'generated-for-this-run',
  tokenSource: 'generated',
  clientTokens: null,
} as const;

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

/** The lines that are offered as commands. */
const commandsIn = (text: string) => text.split('\n').flatMap(line => /^ {5}(\S.*)$/.exec(line)?.[1] ?? []);

describe('greeting', () => {
  it('shows every address', () => {
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
  });

  it('shows the admin port where there is one', () => {
    const admin = { address: '0.0.0.0', port: 9000, family: 'IPv4' };
    const text = greeting(bound, settings, admin);
    for (const url of [
      'http://127.0.0.1:9000/admin/connections',
      'http://127.0.0.1:9000/docs',
      'http://127.0.0.1:4000/health',
    ])
      expect(text).toContain(url);
    expect(text).not.toContain('4000/admin');
    const json = JSON.parse(greeting(bound, { ...settings, logFormat: 'json' }, admin)) as Record<string, unknown>;
    expect(json).toMatchObject({ http: 'http://127.0.0.1:4000', admin: 'http://127.0.0.1:9000/admin' });
  });

  it('shows a generated token once, to be exported, and in no argument of a program', () => {
    const lines = greeting(bound, settings)
      .split('\n')
      .filter(line => line.includes('generated-for-this-run'));
    expect(lines).toEqual(['     export ADMIN_TOKEN=generated-for-this-run']);
  });

  it.each([
    ['variable', '"$ADMIN_TOKEN"'],
    ['file', '"$(cat "$ADMIN_TOKEN_FILE")"'],
    ['nowhere', '"$ADMIN_TOKEN"'],
  ] as const)('offers three commands where the token is from: %s', (tokenSource, read) => {
    const text = greeting(bound, { ...settings, generatedToken: null, tokenSource });
    const commands = commandsIn(text);
    expect(commands).toHaveLength(3);
    for (const command of commands.slice(1)) {
      expect(command).toMatch(/^printf 'Authorization: Bearer %s' /);
      expect(command).toContain(read);
      // Arguments of curl are open to other users of the machine, so that it reads the header from its standard input.
      expect(command.match(/\| curl -s -H @- /g)).toHaveLength(command.split('curl').length - 1);
      expect(command.split('Bearer')).toHaveLength(command.split('printf').length);
    }
    expect(text).not.toMatch(/null|undefined|export \w+=/);
  });

  it('is one line of JSON for programs, without a token', () => {
    const line = greeting(bound, { ...settings, logFormat: 'json' });
    expect(line).toMatch(/^[^\n]+\n$/);
    expect(line).not.toContain('generated-for-this-run');
    expect(JSON.parse(line)).toMatchObject({
      level: 'log',
      message: 'listening on http://127.0.0.1:4000',
      webSocket: 'ws://127.0.0.1:4000/ws',
    });
  });
});
