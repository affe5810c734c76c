import { describe, expect, it } from '@jest/globals';

import { closeCall } from './close-call.js';

const CAUSE = { kind: 'application', call: 'close' };

describe('closeCall', () => {
  it.each<[string, Parameters<typeof closeCall>, unknown[]]>([
    ['the application', ['server', 4321, 'ours'], [{ code: 4321, reason: 'ours', by: 'server' }, CAUSE]],
    ['the application without a code', ['server'], [{ code: 1005, reason: '', by: 'server' }, CAUSE]],
    [
      'the application with a reason as bytes',
      ['server', 1009, Buffer.from('mine')],
      [{ code: 1009, reason: 'mine', by: 'server' }, CAUSE],
    ],
    ['ws, for a violation', ['server', 1002], [{ code: 1002, reason: '', by: 'server' }]],
    ['ws, for a message that is too big', ['server', 1009, ''], [{ code: 1009, reason: '', by: 'server' }]],
    ['the client', ['client', 1000, 'bye'], [{ code: 1000, reason: 'bye', by: 'client' }]],
  ])('of a close by %s', (_what, given, expected) => {
    expect(closeCall(...given)).toEqual(expected);
  });
});
