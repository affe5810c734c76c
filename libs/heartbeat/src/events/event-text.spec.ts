import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { NO_LABELS } from '../base/identity.js';
import type { HeartbeatEvent } from '../connection/heartbeat.events.js';
import { frame } from './event-frames.js';
import { attributesOf, MAX_TEXT, textOf } from './event-text.js';

const stamp = { seq: 3, at: 1_700_000_000_000 };
const nothing = { userId: null, ip: null, path: null, transport: null, labels: NO_LABELS };
const ada = { userId: 'ada', ip: '10.0.0.1', path: '/ws', transport: 'ws', labels: { team: 'red' } };
const closed = (connection: object): HeartbeatEvent =>
  ({ type: 'closed', connection, code: 1000, reason: '', by: 'client', durationMs: 5, ...stamp }) as HeartbeatEvent;

describe('the text of an event', () => {
  it('is one line of JSON with its type, node, number and time', () => {
    const text = textOf({ type: 'opened', id: 'n-1.00000001', path: '/ws', ip: '::1', ...stamp }, 'n-1');
    expect(JSON.parse(text)).toEqual({
      type: 'opened',
      node: 'n-1',
      seq: 3,
      at: '2023-11-14T22:13:20.000Z',
      id: 'n-1.00000001',
      path: '/ws',
      ip: '::1',
    });
  });

  it('cannot break out of its frame, whatever texts it has', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\n', '\r', '\r\n', '\u2028', '\0', 'data: x', '"', '\\', '\ud800'),
    });
    fc.assert(
      fc.property(hostile, hostile, (reason, label) => {
        const event = { ...closed({ ...ada, labels: { [label]: reason, ',"at":1}': reason }, path: label }), reason };
        const lines = frame('closed', '9f86d081:3', textOf(event as HeartbeatEvent, 'n')).split(/\r\n|\r|\n/);
        expect(lines).toHaveLength(5);
        expect(lines.slice(3)).toEqual(['', '']);
        expect((JSON.parse(lines[2]!.slice('data: '.length)) as { reason: string }).reason).toBe(reason);
      }),
    );
  });

  it('is short where a label has megabytes', () => {
    const text = textOf(closed({ ...ada, labels: { long: 'x'.repeat(1_000_000) } }), 'n');
    expect(text.length).toBeLessThan(MAX_TEXT);
    expect(JSON.parse(text)).toMatchObject({ type: 'closed', node: 'n', seq: 3, omittedBytes: expect.any(Number) });
  });
});

const of = (event: object, found?: typeof ada) => attributesOf({ ...event, ...stamp } as HeartbeatEvent, () => found);

describe('the attributes of an event', () => {
  it('are those of its connection', () => {
    expect(of({ type: 'slow', id: 'a', bufferedBytes: 1, why: 'limit' }, ada)).toEqual(ada);
    expect(of({ type: 'slow', id: 'a', bufferedBytes: 1, why: 'limit' }, ada)).not.toBe(ada);
    expect(attributesOf(closed({ ...ada, id: 'a' }), () => undefined)).toEqual(ada);
  });

  it.each<[string, object, object]>([
    ['an unknown connection', { type: 'ping', id: 'a' }, {}],
    ['a refused upgrade', { type: 'refused', status: 429, reason: 'ip-limit', ip: '10.0.0.9' }, { ip: '10.0.0.9' }],
    [
      'a refused user',
      { type: 'refused', status: 429, reason: 'user-limit', ip: '10.0.0.9', userId: 'eve' },
      { ip: '10.0.0.9', userId: 'eve' },
    ],
    ['a banned user', { type: 'banned', ban: { kind: 'user', value: 'eve' } }, { userId: 'eve' }],
    ['a banned address', { type: 'banned', ban: { kind: 'ip', value: '10.0.0.9' } }, { ip: '10.0.0.9' }],
    ['a banned network', { type: 'banned', ban: { kind: 'cidr', value: '10.0.0.0/8' } }, {}],
    ['a lifted ban', { type: 'unbanned', id: 'a', forMs: 1 }, {}],
    ['a drain', { type: 'drain-started', connections: 1, reason: 'x' }, {}],
  ])('of %s', (_what, event, expected) => {
    expect(of(event)).toEqual({ ...nothing, ...expected });
  });
});
