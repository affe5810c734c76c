import { describe, expect, it } from '@jest/globals';

import { cannotBeRebound, hostJudge, isHostEntry } from './host-names.js';

describe('isHostEntry', () => {
  it.each([
    'example.com',
    'LOCALHOST',
    'a.b-c.example',
    '10.0.0.1',
    '[::1]',
    '::1',
    '2001:DB8::5',
    'münchen.example',
    'x.',
  ])('accepts %s', text => expect(isHostEntry(text)).toBe(true));

  it.each([
    '',
    ' ',
    'example.com:443',
    '127.0.0.1:80',
    '[::1]:80',
    'https://example.com',
    'example.com/',
    '*.example.com',
    '*',
    'a b',
    'a,b',
    'user@example.com',
    '[::1',
    'a\nb',
    '.',
  ])('refuses %j', text => expect(isHostEntry(text)).toBe(false));
});

describe('hostJudge', () => {
  const isServed = hostJudge(['Example.com', 'münchen.example', '10.0.0.1', '::1', 'localhost']);

  it.each([
    'example.com',
    'EXAMPLE.COM',
    'example.com:3000',
    'example.com.',
    'example.com.:443',
    'xn--mnchen-3ya.example',
    '10.0.0.1',
    '10.0.0.1:9000',
    '[::1]',
    '[0:0:0:0:0:0:0:1]:80',
    'localhost:5173',
  ])('accepts %s', host => expect(isServed(host)).toBe(true));

  it.each([
    undefined,
    '',
    'evil.example',
    'example.com.evil.example',
    'evil.example:3000',
    'xexample.com',
    'www.example.com',
    'example.com@evil.example',
    'evil.example/example.com',
    'evil.example#example.com',
    'example.com,evil.example',
    '10.0.0.2',
    '[::2]',
    'localhost.evil.example',
    ':3000',
  ])('rejects %j', host => expect(isServed(host)).toBe(false));

  it('accepts every name without a list', () =>
    expect([hostJudge([])('evil.example'), hostJudge([])(undefined)]).toEqual([true, true]));
});

describe('cannotBeRebound', () => {
  it.each([
    ['127.0.0.1:3000', true],
    ['[::1]:3000', true],
    ['localhost', true],
    ['LOCALHOST.:80', true],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    [undefined, false],
    ['', false],
  ])('of %j is %s', (host, expected) => expect(cannotBeRebound(host)).toBe(expected));
});
