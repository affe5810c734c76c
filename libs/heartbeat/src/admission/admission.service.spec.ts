import { beforeEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { type HeartbeatEvent, HeartbeatEvents } from '../heartbeat.events.js';
import { resolveOptions } from '../resolve-options.js';
import { AdmissionService } from './admission.service.js';

const request = {
  url: '/chat?token=S3cret',
  socket: { remoteAddress: '::ffff:10.0.0.1' },
} as unknown as IncomingMessage;

describe('AdmissionService', () => {
  let node: NodeState;
  let count: number;
  let admission: AdmissionService;
  let events: HeartbeatEvent[];

  beforeEach(() => {
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions({ limits: { maxConnections: 3 } }), clock);
    node.bootstrapHookRan = true;
    const stream = new HeartbeatEvents();
    const connections = new ConnectionService(node, stream);
    count = 0;
    Object.defineProperty(connections, 'count', { get: () => count });
    admission = new AdmissionService(node, connections, stream);
    events = [];
    stream.stream.subscribe(event => events.push(event));
  });

  it('lets in who asks for a path that is served, as long as there is room', () => {
    count = 2;
    expect(admission.check(request, true)).toBeNull();
  });

  it.each<[string, () => void, boolean, { status: number; reason: string; retryAfterSeconds?: unknown }]>([
    [
      'before the app has bootstrapped',
      () => void (node.bootstrapHookRan = false),
      true,
      { status: 503, reason: 'starting', retryAfterSeconds: 1 },
    ],
    [
      'before other modules have bootstrapped',
      () => void (node.isAppInitialized = () => false),
      true,
      { status: 503, reason: 'starting', retryAfterSeconds: 1 },
    ],
    [
      'once the door is shut',
      () => void (node.doorShut = true),
      true,
      { status: 503, reason: 'draining', retryAfterSeconds: expect.any(Number) },
    ],
    [
      'when the node is full',
      () => void (count = 3),
      true,
      { status: 503, reason: 'at-capacity', retryAfterSeconds: 5 },
    ],
    ['where nothing is served', () => undefined, false, { status: 404, reason: 'no-such-path' }],
  ])('refuses %s', (_what, happen, pathIsServed, refusal) => {
    happen();
    const answer = admission.check(request, pathIsServed);
    expect(answer).toMatchObject(refusal);
    expect(answer?.detail).toMatch(/\.$/);
    expect('retryAfterSeconds' in answer!).toBe(refusal.status === 503);
  });

  it('still serves newcomers while it drains behind an open door', () => {
    node.draining = true;
    expect(admission.check(request, true)).toBeNull();
  });

  it('advises a whole number of seconds within the return window, and at least one', () => {
    node.doorShut = true;
    const seconds = Array.from({ length: 200 }, () => admission.check(request, true)!.retryAfterSeconds!);
    expect(seconds.every(value => Number.isInteger(value) && value >= 1 && value <= 10)).toBe(true);
    expect(new Set(seconds).size).toBeGreaterThan(5);
  });

  it('names the path that is not served, and never the query string', () => {
    expect(admission.check(request, false)?.detail).toContain('/chat:');
    expect(JSON.stringify(admission.check(request, false))).not.toContain('S3cret');
  });

  it('tells of a refusal, and from where it came', () => {
    admission.refused(request, { status: 404, reason: 'no-such-path', detail: '' });
    expect(events).toEqual([{ type: 'refused', status: 404, reason: 'no-such-path', ip: '10.0.0.1' }]);
  });
});
