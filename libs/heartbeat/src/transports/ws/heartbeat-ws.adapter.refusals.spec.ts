import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { OutgoingHttpHeaders } from 'node:http';

import { Logger } from '@nestjs/common';

import { AdapterWorld, type Line, turn } from '../../../../../test/support/servers/adapter-world.js';
import type { VerifyClient } from './verify-client.js';

Logger.overrideLogger(false);

let world: AdapterWorld;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  world = new AdapterWorld({ maxConnections: 2 });
});
afterEach(() => {
  world.destroy();
  jest.useRealTimers();
});

describe('HeartbeatWsAdapter, with a verifyClient of the gateway', () => {
  it('admits only as many clients as allowed while a verifyClient is slow', async () => {
    const verified: ((result: boolean) => void)[] = [];
    const verifyClient = (_info: unknown, done: (result: boolean) => void) => void verified.push(done);
    world.adapter.create(0, { path: '/ws', verifyClient });
    const asked = ['1', '2', '3', '4'].map(() => world.ask('/ws'));
    expect(verified).toHaveLength(2);
    for (const done of verified) done(true);
    await turn();
    expect(world.connections.count).toBe(2);
    expect(asked.map(({ status }) => status)).toEqual(['101', '101', '503', '503']);
    expect(asked[2]?.written).toMatch(
      /retry-after: \d+[^]*content-type: application\/problem\+json|content-type: application\/problem\+json[^]*retry-after: \d+/i,
    );
    expect(asked[2]?.written).toContain('problem:at-capacity"');
    expect(world.events.filter(({ type }) => type === 'refused')).toHaveLength(2);
  });

  it.each<[string, (line: Line, done: (isGood: boolean) => void) => void]>([
    ['rejects', (_line, done) => done(false)],
    ['loses its client', line => line.destroy()],
    ['does not answer in time', () => jest.advanceTimersByTime(10_000)],
  ])('holds the slot of an upgrade until its verifyClient %s', async (_what, end) => {
    const verified: ((isGood: boolean) => void)[] = [];
    world.adapter.create(0, { path: '/ws', verifyClient: (_info, done) => void verified.push(done) });
    const lines = [world.ask(), world.ask()];
    expect([world.ask().status, world.node.options.limits.maxConnections]).toEqual(['503', 2]);
    end(lines[0]!, verified[0]!);
    await turn();
    world.ask();
    expect(verified).toHaveLength(3);
    for (let round = 0; round < 2; round++) {
      for (const done of verified) done(true);
      world.ask();
    }
    expect([world.connections.count, world.ask().status]).toEqual([2, '503']);
  });

  it.each<[string, VerifyClient, string, number]>([
    ['returns true', () => true, '101', 1],
    ['returns false', () => false, '401', 0],
    ['returns undefined', () => undefined, '401', 0],
    ['resolves to true', async () => true, '101', 1],
    ['resolves to false', async () => false, '401', 0],
    ['calls back with a response of its own', (_info, done) => done(false, 402, 'pay first'), '402', 0],
    [
      'throws',
      () => {
        throw new Error('no database');
      },
      '500',
      0,
    ],
    ['rejects', async () => Promise.reject(new Error('no database')), '500', 0],
  ])('follows a verifyClient that %s, and publishes the refusals', async (_what, verifyClient, status, count) => {
    world.adapter.create(0, { path: '/ws', verifyClient });
    const line = world.ask('/ws');
    await turn();
    expect([line.status, world.connections.count]).toEqual([status, count]);
    const refused = { type: 'refused', status: Number(status), reason: 'unauthenticated', ip: '10.0.0.1' };
    expect(world.events.filter(({ type }) => type === 'refused')).toEqual(count === 1 ? [] : [refused]);
  });

  it('responds with the status and text of a verifyClient that rejects', () => {
    world.adapter.create(0, {
      path: '/ws',
      verifyClient: (_info, done) => done(false, 402, 'pay first', { 'X-Price': '1' }),
    });
    world.adapter.create(0, { path: '/brief', verifyClient: () => false });
    expect(world.ask('/ws').written).toMatch(/^HTTP\/1.1 402 Payment Required\r\n[^]*\r\nX-Price: 1\r\n\r\npay first$/);
    expect(world.ask('/brief').written).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n[^]*\r\n\r\nUnauthorized$/);
  });

  it('handles errors of a socket while its client waits, and leaves them to `ws` after the handshake', () => {
    const verified: ((isGood: boolean) => void)[] = [];
    world.adapter.create(0, { path: '/ws', verifyClient: (_info, done) => void verified.push(done) });
    world.adapter.create(0, { path: '/open' });
    const lines = [world.ask('/ws'), world.ask('/open')];
    const listeners = () => lines.map(line => line.listenerCount('error'));
    expect(listeners()).toEqual([1, 1]);
    verified[0]!(true);
    expect([world.connections.count, listeners()]).toEqual([2, [1, 1]]);
  });

  it.each<[string, unknown, Record<string, unknown>, RegExp]>([
    ['whose text is an error', new Error('no database'), {}, /^HTTP\/1.1 401 Unauthorized\r\n[^]*\r\nUnauthorized$/],
    ['whose header cannot be a text', 'no', { 'X-Why': Object.create(null) as unknown }, /^$/],
  ])('survives a response %s, and a client that resets then', async (_what, words, headers, written) => {
    world.adapter.create(0, {
      path: '/ws',
      verifyClient: (_info, done) => done(false, 401, words as string, headers as OutgoingHttpHeaders),
    });
    const line = world.ask('/ws');
    expect(line.written).toMatch(written);
    line.destroy(new Error('ECONNRESET'));
    await turn();
    expect([line.destroyed, world.connections.count]).toEqual([true, 0]);
  });

  it('refuses with Retry-After where a verifyClient does not answer in time', () => {
    world.adapter.create(0, { path: '/ws', verifyClient: (_info, _done) => undefined });
    const [line, gone] = [world.ask('/ws'), world.ask('/ws')];
    gone.destroy();
    jest.advanceTimersByTime(world.node.options.limits.handshakeTimeoutMs);
    expect([line.status, line.written]).toEqual([
      '503',
      expect.stringMatching(/\r\nRetry-After: \d\d?\r\n[^]*:authentication-timeout"/),
    ]);
    expect(world.events).toEqual([{ type: 'refused', status: 503, reason: 'authentication-timeout', ip: '10.0.0.1' }]);
  });

  it('sends no Retry-After where the second check refuses without a delay', async () => {
    const verified: ((isGood: boolean) => void)[] = [];
    world.adapter.create(0, { path: '/ws', verifyClient: (_info, done) => void verified.push(done) });
    const line = world.ask('/ws');
    world.bans.ban({ kind: 'ip', value: '10.0.0.1', forMs: 60_000 });
    verified[0]!(true);
    expect([line.status, line.written.toLowerCase()]).toEqual(['403', expect.not.stringContaining('retry-after')]);
  });
});

/** The code of the unmasked close frame at the end of the bytes written; null without one. */
const codeOf = (written: string) => {
  const [, frame] = written.split('\r\n\r\n');
  return frame?.charCodeAt(0) === 0x88 ? Buffer.from(frame, 'latin1').readUInt16BE(2) : null;
};

describe('HeartbeatWsAdapter, refusing by a close code', () => {
  beforeEach(() => {
    world = new AdapterWorld({ maxConnections: 1, refuseWith: 'close' });
  });

  it('finishes the upgrade, closes, and destroys a second later a client that has not answered', () => {
    world.adapter.create(0, { path: '/ws' });
    world.ask();
    const line = world.ask();
    expect([line.status, codeOf(line.written), world.connections.count]).toEqual(['101', 1013, 1]);
    jest.advanceTimersByTime(999);
    expect(line.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(line.destroyed).toBe(true);
  });

  it('refuses at most 1000 at once by a close code, and further clients by HTTP', async () => {
    world.adapter.create(0, { path: '/ws' });
    world.ask();
    const refused = Array.from({ length: 1002 }, () => world.ask());
    expect(refused.slice(0, 1000).filter(({ status }) => status === '101')).toHaveLength(1000);
    expect(refused.slice(1000).map(({ status }) => status)).toEqual(['503', '503']);
    refused[0]!.destroy();
    for (let turns = 0; turns < 3; turns++) await turn();
    expect([world.ask().status, world.ask().status]).toEqual(['101', '503']);
  });

  it('does not call verifyClient for a client that is already refused', () => {
    let asked = 0;
    world.adapter.create(0, { path: '/ws', verifyClient: () => ++asked > 0 });
    expect([world.ask(), world.ask()].map(({ written }) => codeOf(written))).toEqual([null, 1013]);
    expect(asked).toBe(1);
  });

  it('does so too while another upgrade waits for a verifyClient, and for a verifyClient that does not answer', () => {
    world.adapter.create(0, { path: '/ws', verifyClient: () => new Promise(() => {}) });
    const [first, second] = [world.ask(), world.ask()];
    expect([codeOf(first.written), codeOf(second.written)]).toEqual([null, 1013]);
    jest.advanceTimersByTime(world.node.options.limits.handshakeTimeoutMs);
    expect(codeOf(first.written)).toBe(1013);
    const reasons = world.events.filter(event => event.type === 'refused').map(({ reason }) => reason);
    expect(reasons).toEqual(['at-capacity', 'authentication-timeout']);
  });

  it('sends the own response of a verifyClient that rejects', () => {
    world.adapter.create(0, { path: '/ws', verifyClient: (_info, done) => done(false, 402) });
    expect(world.ask().status).toBe('402');
  });
});
