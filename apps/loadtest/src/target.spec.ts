import { describe, expect, it } from '@jest/globals';
import { isLoopback, readTarget, sourceAddress } from './target.js';

describe('readTarget', () => {
  it.each([
    ['ws://127.0.0.1:3000/ws', '127.0.0.1', 3000, '/ws'],
    ['ws://127.8.9.10', '127.8.9.10', 80, '/'],
    ['ws://localhost:8080/ws?room=1', 'localhost', 8080, '/ws?room=1'],
    ['ws://[::1]:3000/', '::1', 3000, '/'],
    // The URL parser completes short addresses, so they cannot hide another host.
    ['ws://127.1:3000/', '127.0.0.1', 3000, '/'],
  ])('accepts %s', (url, host, port, path) => {
    expect(readTarget(url)).toMatchObject({ target: { url, host, port, path } });
  });

  it.each([
    ['ws://192.168.0.1/', /loopback/],
    ['ws://127.0.0.1.example.com/', /loopback/],
    ['ws://localhost.example.com/', /loopback/],
    ['ws://[::ffff:10.0.0.1]/', /loopback/],
    ['ws://0.0.0.0/', /loopback/],
    ['wss://127.0.0.1/', /plain ws/],
    ['http://127.0.0.1/', /plain ws/],
    ['ws://name:word@127.0.0.1/', /without user/],
    ['ws://127.0.0.1/#part', /without user and fragment/],
    ['127.0.0.1:3000', /a URL/],
    ['', /a URL/],
  ])('refuses %s', (url, rule) => {
    expect(readTarget(url)).toMatchObject({ rule: expect.stringMatching(rule) });
  });
});

describe('isLoopback', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['::1', true],
    ['128.0.0.1', false],
    ['127.0.0.1.example.com', false],
    ['::', false],
  ])('of %s is %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
  });
});

describe('sourceAddress', () => {
  it('spreads clients over loopback addresses, so that ports never run out', () => {
    const sources = new Set(Array.from({ length: 60_000 }, (_, index) => sourceAddress(index, '127.0.0.1', 'linux')));
    expect(sources.size).toBe(60);
    expect(sources).toContain('127.0.0.2');
    expect(sources).toContain('127.0.0.61');
  });

  it('leaves the choice to the system where there is only one', () => {
    expect(sourceAddress(3, '::1', 'linux')).toBeUndefined();
    expect(sourceAddress(3, '127.0.0.1', 'darwin')).toBeUndefined();
  });
});
