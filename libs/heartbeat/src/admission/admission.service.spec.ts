import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';

import { Logger } from '@nestjs/common';

import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { Authenticate } from '../options/guard.options.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import type { Authentication } from '../base/identity.js';
import { resolveOptions } from '../options/resolve-options.js';
import { AdmissionService } from './admission.service.js';
import type { Admitted } from './attempt.js';
import { UpgradeAttempt } from '../transports/ws/upgrade-attempt.js';
import type { BanList } from './ban-list.js';
import { ClientAddresses } from './client-addresses.js';
import type { Refusal } from './refusal.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const IP = '203.0.113.7';
const HEADERS = {
  host: 'example.com',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

const warnings: unknown[] = [];
const noted = {
  warn: (text: unknown) => warnings.push(text),
  log: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

/** An admission with a clock that the test sets. */
class Setup {
  time = 1000;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly bans: BanList;
  readonly admission: AdmissionService;
  readonly events: EventPayload[] = [];

  constructor(options: HeartbeatOptions = {}) {
    const events = new HeartbeatEvents();
    events.stream.subscribe(event => this.events.push(unstamped(event)));
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions(options), clock);
    this.node.bootstrapHookRan = true;
    const { registry, bans, identities, connections } = wireNode(this.node, events);
    [this.bans, this.connections] = [bans, connections];
    this.admission = new AdmissionService(
      this.node,
      registry,
      identities,
      new ClientAddresses(this.node.options),
      events,
    );
  }

  /** Opens a connection in advance. */
  open(ip = IP, userId?: string) {
    return this.connections.open({
      transport: transportOf({ close: () => undefined }),
      path: '/ws',
      ip,
      userAgent: null,
      identity: userId === undefined ? null : { userId },
      deferred: false,
    });
  }

  /** Begins an upgrade; `verdicts` receives its verdicts. */
  upgrade({ ip = IP, headers = {}, served = true }: { ip?: string; headers?: object; served?: boolean } = {}) {
    const socket = new PassThrough();
    const verdicts: (Refusal | Admitted)[] = [];
    const request = {
      method: 'GET',
      httpVersionMajor: 1,
      httpVersionMinor: 1,
      rawHeaders: ['Host', 'localhost'],
      url: '/ws?a=b',
      headers: { ...HEADERS, ...headers },
      socket: { remoteAddress: ip },
    };
    const attempt = { request: request as unknown as IncomingMessage, socket };
    this.admission.admit(new UpgradeAttempt(attempt, served), verdict => verdicts.push(verdict));
    return { socket, verdicts };
  }
}

const reasonOf = ([verdict]: (Refusal | Admitted)[]) =>
  verdict === undefined ? 'asking' : 'reason' in verdict ? verdict.reason : 'admitted';

const forge: Authenticate = () => {
  throw new Error('jwt malformed: a\nforged line');
};

/** Waits until all promises that can settle have settled. */
const settled = () => jest.advanceTimersByTimeAsync(0);

describe('AdmissionService', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    warnings.length = 0;
    Logger.overrideLogger(noted);
  });
  afterEach(() => void jest.useRealTimers());

  it('admits a client without a fault in the same turn', () => {
    expect(new Setup().upgrade().verdicts).toEqual([{ ip: IP, identity: null, deferred: false }]);
  });

  it('reports the first of all faults, cheapest first, and calls authenticate only without a fault', () => {
    let asked = 0;
    const authenticate: Authenticate = () => {
      asked++;
      return null;
    };
    const limits = { maxConnections: 2, maxPerIp: 1, upgradesPerSecondPerIp: 1, upgradesPerSecond: 1 };
    const setup = new Setup({ limits, authenticate });
    const { node } = setup;
    node.bootstrapHookRan = false;
    node.admissionClosed = true;
    node.load = { ...node.load, refusing: true };
    const connections = [setup.open(), setup.open('198.51.100.1')];
    const { id } = setup.bans.ban({ kind: 'ip', value: IP, forMs: 60_000 });
    const client = { ip: IP, headers: { origin: 'https://evil.com', upgrade: 'h2c' } as object, served: false };
    const leave = (index: number) => setup.connections.closed(connections[index]!, 1000, '');
    const seen: string[] = [];
    const repairs: [string, () => void][] = [
      ['starting', () => (node.bootstrapHookRan = true)],
      ['draining', () => (node.admissionClosed = false)],
      ['overloaded', () => (node.load = { ...node.load, refusing: false })],
      ['at-capacity', () => leave(1)],
      ['bad-upgrade', () => (client.headers = { origin: 'https://evil.com' })],
      ['banned', () => setup.bans.lift(id)],
      ['no-such-path', () => (client.served = true)],
      ['origin-refused', () => (client.headers = {})],
      ['ip-limit', () => leave(0)],
    ];
    for (const [, repair] of repairs) {
      // Called twice: an early refusal uses nothing of the limits that are checked later.
      expect(reasonOf(setup.upgrade(client).verdicts)).toBe(reasonOf(setup.upgrade(client).verdicts));
      seen.push(reasonOf(setup.upgrade(client).verdicts));
      repair();
    }
    expect(seen).toEqual(repairs.map(([reason]) => reason));
    expect(asked).toBe(0);
    expect(reasonOf(setup.upgrade(client).verdicts)).toBe('asking');
    expect(asked).toBe(1);
  });

  it.each([
    ['of one address', { upgradesPerSecondPerIp: 2 }, ['upgrade-rate', 'admitted']],
    ['of all', { upgradesPerSecond: 2 }, ['upgrade-rate', 'upgrade-rate']],
  ])('limits the upgrades %s in a second, and advises a delay', (_what, limits, [same, other]) => {
    const setup = new Setup({ limits });
    const reasons = () => reasonOf(setup.upgrade().verdicts);
    expect([reasons(), reasons(), reasons()]).toEqual(['admitted', 'admitted', same]);
    expect(reasonOf(setup.upgrade({ ip: '198.51.100.1' }).verdicts)).toBe(other);
    expect(setup.upgrade().verdicts[0]).toMatchObject({ status: 429, retryAfterMs: 500 });
    setup.time += 500;
    expect([reasons(), reasons()]).toEqual(['admitted', same]);
  });

  it('keeps an address with too many upgrades from using the rate of other addresses', () => {
    const setup = new Setup({ limits: { upgradesPerSecond: 3, upgradesPerSecondPerIp: 1 } });
    for (let turn = 0; turn < 100; turn++) setup.upgrade();
    const others = ['198.51.100.1', '198.51.100.2'].map(ip => reasonOf(setup.upgrade({ ip }).verdicts));
    expect(others).toEqual(['admitted', 'admitted']);
  });

  it('uses nothing of an address’s rate when the rate of all is exceeded', () => {
    const setup = new Setup({ limits: { upgradesPerSecond: 4, upgradesPerSecondPerIp: 2 } });
    for (let other = 1; other <= 4; other++) setup.upgrade({ ip: `198.51.100.${other}` });
    const reasons = () => [1, 2, 3].map(() => reasonOf(setup.upgrade().verdicts));
    expect(reasons()).toEqual(Array(3).fill('upgrade-rate'));
    setup.time += 500;
    expect(reasons()).toEqual(['admitted', 'admitted', 'upgrade-rate']);
  });

  it.each([
    ['one IPv4 address', '203.0.113.7', '203.0.113.7', 'ip-limit'],
    ['another IPv4 address', '203.0.113.7', '203.0.113.8', 'admitted'],
    ['another address of the /64', '2001:db8::1', '2001:db8::ffff:1', 'ip-limit'],
    ['another /64', '2001:db8::1', '2001:db8:0:1::1', 'admitted'],
    ['a mapped IPv4 address', '203.0.113.7', '::ffff:203.0.113.7', 'ip-limit'],
  ])('counts for maxPerIp %s', (_what, there, comes, reason) => {
    const setup = new Setup({ limits: { maxPerIp: 1 } });
    setup.open(there);
    expect(reasonOf(setup.upgrade({ ip: comes }).verdicts)).toBe(reason);
  });

  it('counts clients of a trusted proxy separately', () => {
    const setup = new Setup({ limits: { maxPerIp: 1 }, trustedProxies: ['10.0.0.0/8'] });
    setup.open('203.0.113.7');
    const reasons = ['203.0.113.7', '203.0.113.8'].map(forwardedFor =>
      reasonOf(setup.upgrade({ ip: '10.0.0.1', headers: { 'x-forwarded-for': forwardedFor } }).verdicts),
    );
    expect([reasons, warnings]).toEqual([['ip-limit', 'admitted'], []]);
  });

  it('warns once where a proxy header is present, no proxy is trusted and addresses are limited', () => {
    const headers = { 'x-forwarded-for': '1.1.1.1' };
    new Setup().upgrade({ headers });
    expect(warnings).toEqual([]);
    const setup = new Setup({ limits: { maxPerIp: 5 } });
    for (let turn = 0; turn < 3; turn++) setup.upgrade({ headers });
    expect(warnings).toEqual([expect.stringContaining('trustedProxies')]);
  });

  it('logs a refused origin once, with the host and the option', () => {
    const setup = new Setup();
    for (let turn = 0; turn < 200; turn++) setup.upgrade({ headers: { origin: 'https://evil.com' } });
    expect(warnings).toEqual([expect.stringMatching(/^[^\n]*"https:\/\/evil\.com"[^\n]*"example\.com"[^\n]*ORIGINS/)]);
  });

  it('logs an authenticate that throws once a minute, with a count', async () => {
    const setup = new Setup({ authenticate: forge });
    for (let turn = 0; turn < 200; turn++) setup.upgrade();
    await settled();
    expect(warnings).toEqual([expect.stringMatching(/^authenticate failed[^\n]*jwt malformed: a\\nforged line$/)]);
    setup.node.log.close();
    expect(warnings[1]).toBe('authenticate failed: 199 more in 60 s, not shown');
  });

  it.each([
    ['at-capacity', { maxConnections: 1 }, {}],
    ['ip-limit', { maxPerIp: 1 }, {}],
    ['overloaded', {}, { refusing: true }],
  ])('draws the advised delay of %s for each client', (reason, limits, load) => {
    const setup = new Setup({ limits, drain: { returnWindowMs: 0 } });
    setup.open(IP);
    setup.node.load = { ...setup.node.load, ...load };
    const verdicts = Array.from({ length: 40 }, () => setup.upgrade().verdicts[0] as Refusal);
    expect(new Set(verdicts.map(verdict => verdict.reason))).toEqual(new Set([reason]));
    const delays = verdicts.map(({ retryAfterMs = 0 }) => retryAfterMs);
    expect(new Set(delays).size).toBeGreaterThan(20);
    expect([Math.min(...delays) >= 2000, Math.max(...delays) <= 8000]).toEqual([true, true]);
  });

  const ann: Admitted = { ip: IP, identity: { userId: 'ann' }, deferred: false };
  it.each<[string, HeartbeatOptions['limits'], (setup: Setup) => void, string]>([
    ['admission closed', {}, ({ node }) => (node.admissionClosed = true), 'draining'],
    ['the node became overloaded', {}, ({ node }) => (node.load = { ...node.load, refusing: true }), 'overloaded'],
    ['the node is full', { maxConnections: 1 }, setup => setup.open('198.51.100.1'), 'at-capacity'],
    ['the address reached its limit', { maxPerIp: 1 }, setup => setup.open(IP), 'ip-limit'],
    ['the user reached its limit', { maxPerUser: 1 }, setup => setup.open('198.51.100.1', 'ann'), 'user-limit'],
    ['the user was banned', {}, ({ bans }) => bans.ban({ kind: 'user', value: 'ann', forMs: 60_000 }), 'banned'],
    ['the address was banned', {}, ({ bans }) => bans.ban({ kind: 'ip', value: IP, forMs: 60_000 }), 'banned'],
  ])('refuses a client that a gateway has verified when meanwhile %s', (_what, limits, happen, reason) => {
    const setup = new Setup({ limits });
    expect(setup.admission.recheck(ann)).toBeNull();
    happen(setup);
    expect(setup.admission.recheck(ann)?.reason).toBe(reason);
  });

  it('replaces no connection before the new client is a connection, and then at once', () => {
    const setup = new Setup({ limits: { maxPerUser: 1, onUserLimit: 'replace-oldest' } });
    const first = setup.open('198.51.100.1', 'ann');
    expect([setup.admission.recheck(ann), first.closing]).toEqual([null, null]);
    setup.open(IP, 'ann');
    expect(first.closing?.code).toBe(4502);
  });

  it('publishes a refusal with the client’s address', () => {
    const setup = new Setup();
    const request = { headers: {}, socket: { remoteAddress: `::ffff:${IP}` } } as unknown as IncomingMessage;
    setup.admission.refused({ request }, { status: 503, reason: 'draining' });
    expect(setup.events).toEqual([{ type: 'refused', status: 503, reason: 'draining', ip: IP }]);
  });

  it.each<[string, Authentication, object]>([
    ['an identity', { userId: 'ann' }, { ip: IP, identity: { userId: 'ann' }, deferred: false }],
    ['anonymous', 'anonymous', { ip: IP, identity: null, deferred: false }],
    ['deferred', 'deferred', { ip: IP, identity: null, deferred: true }],
    ['null', null, { status: 401, reason: 'unauthenticated' }],
  ])('follows the answer of authenticate: %s', async (_what, answer, verdict) => {
    const { verdicts } = new Setup({ authenticate: async () => answer }).upgrade();
    await settled();
    expect(verdicts).toEqual([expect.objectContaining(verdict)]);
  });

  it.each<[string, Date | number, object]>([
    ['that ended a moment ago', 999, { status: 401, reason: 'unauthenticated' }],
    ['that ends now', 1000, { status: 401, reason: 'unauthenticated' }],
    ['whose date has passed', new Date(500), { status: 401, reason: 'unauthenticated' }],
    ['that ends in a moment', 1001, { ip: IP, deferred: false }],
    ['whose date is in the future', new Date(5000), { ip: IP, deferred: false }],
  ])('handles an identity %s', async (_what, expiresAt, verdict) => {
    const { verdicts } = new Setup({ authenticate: () => ({ userId: 'ann', expiresAt }) }).upgrade();
    await settled();
    expect(verdicts).toEqual([expect.objectContaining(verdict)]);
  });

  it('refuses when authenticate fails, with the error in the log and not in the response', async () => {
    const { verdicts } = new Setup({ authenticate: () => Promise.reject(new Error('no database')) }).upgrade();
    await settled();
    expect(verdicts).toEqual([expect.objectContaining({ status: 401, reason: 'unauthenticated' })]);
    expect(JSON.stringify(verdicts)).not.toContain('no database');
    expect(warnings).toEqual([expect.stringContaining('no database')]);
  });
});
