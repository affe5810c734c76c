import { describe, expect, it } from '@jest/globals';

import { isAddressOrCidr } from './query-parameter.js';

describe('isAddressOrCidr', () => {
  it.each([
    '10.0.0.1',
    '10.0.0.0/8',
    '0.0.0.0/0',
    '10.0.0.1/32',
    '::1',
    '2001:db8::/32',
    '::/0',
    '::1/128',
    '::ffff:10.0.0.1',
  ])('accepts %s', text => {
    expect(isAddressOrCidr(text)).toBe(true);
  });

  it.each([
    '',
    '/',
    '10.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '10.0.0.0/+8',
    '10.0.0.0/0x8',
    '::/129',
    'fe80::1%eth0',
    'host.example',
    ' 10.0.0.1',
  ])('rejects %j', text => {
    expect(isAddressOrCidr(text)).toBe(false);
  });
});
