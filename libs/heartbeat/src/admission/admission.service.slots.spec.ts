import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';

import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import { EMPTY } from 'rxjs';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { UserSlots } from '../connection/ports.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import type { Authentication } from '../base/identity.js';
import { resolveOptions } from '../options/resolve-options.js';
import { AdmissionService } from './admission.service.js';
import type { Admitted } from './attempt.js';
import { UpgradeAttempt } from '../transports/ws/upgrade-attempt.js';
import type { BanList } from './ban-list.js';
import { ClientAddresses } from './client-addresses.js';
import type { LiveLimits } from '../node/live-limits.js';
import type { Refusal } from './refusal.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

const TIMEOUT = 10_000;
const HEADERS = { upgrade: 'websocket', 'sec-websocket-key': `${'A'.repeat(22)}==`, 'sec-websocket-version': '13' };

/** Slots of a cluster that the test grants. It records each call. */
class SlotsOfTest implements UserSlots {
  readonly isShared = true;
  readonly replaced = EMPTY;
  readonly asked: string[] = [];
  countByUser: (userId: string) => number = () => 0;
  readonly #waiting: ((isGranted: boolean) => void)[] = [];

  async acquire(userId: string): Promise<(() => void) | null> {
    this.asked.push(`acquire ${userId}`);
    const isGranted = await new Promise<boolean>(resolve => this.#waiting.push(resolve));
    return isGranted ? () => void this.asked.push(`release ${userId} of ${this.countByUser(userId)}`) : null;
  }

  acquireOpen(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async share(): Promise<void> {}
  unshare(): void {}

  grant(isGranted: boolean): void {
    this.#waiting.shift()?.(isGranted);
  }
}

/** A client whose upgrade waits for `authenticate`. */
interface Client {
  readonly ip: string;
  readonly socket: PassThrough;
  readonly verdicts: string[];
  answer: (answer: Authentication | Error) => void;
  /** Turns an admitted client into a connection. */
  open: () => void;
  connection: Connection | null;
}

/**
 * An admission whose `authenticate` the test answers. An admitted client becomes a connection in the same turn, as in the adapter, unless
 * the gateway delays it.
 */
class Setup {
  gatewayIsSlow = false;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly bans: BanList;
  readonly admission: AdmissionService;
  #asked: ((answer: Authentication | Error) => void) | null = null;

  constructor(options: HeartbeatOptions = {}, slots?: SlotsOfTest) {
    const authenticate = () =>
      new Promise<Authentication>((resolve, reject) => {
        this.#asked = answer => (answer instanceof Error ? reject(answer) : resolve(answer));
      });
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ ...options, authenticate }), clock);
    this.node.bootstrapHookRan = true;
    const events = new HeartbeatEvents();
    const { registry, bans, identities, connections } = wireNode(this.node, events, slots && { slots });
    [this.bans, this.connections] = [bans, connections];
    const addresses = new ClientAddresses(this.node.options);
    this.admission = new AdmissionService(this.node, registry, identities, addresses, events);
    if (slots) slots.countByUser = userId => registry.byUser.count(userId);
  }

  upgrade(ip = '10.0.0.1'): Client {
    const request = {
      method: 'GET',
      httpVersionMajor: 1,
      httpVersionMinor: 1,
      rawHeaders: ['Host', 'localhost'],
      url: '/ws',
      headers: HEADERS,
      socket: { remoteAddress: ip },
    };
    const [nothing, socket] = [() => undefined, new PassThrough()];
    const client: Client = { ip, socket, verdicts: [], answer: nothing, open: nothing, connection: null };
    this.#asked = null;
    const attempt = new UpgradeAttempt({ request: request as unknown as IncomingMessage, socket }, true);
    this.admission.admit(attempt, verdict => this.#decided(client, verdict));
    client.answer = this.#asked ?? client.answer;
    return client;
  }

  #decided(client: Client, verdict: Refusal | Admitted): void {
    client.verdicts.push('reason' in verdict ? verdict.reason : 'admitted');
    if ('reason' in verdict) return;
    client.open = () => {
      client.connection = this.connections.open({
        transport: transportOf({ close: () => undefined }),
        path: '/ws',
        userAgent: null,
        ...verdict,
      });
      verdict.opened?.();
    };
    if (!this.gatewayIsSlow) client.open();
  }

  leave({ connection }: Client): void {
    if (connection) this.connections.closed(connection, 1000, '');
  }
}

/** Waits until all promises that can settle have settled. */
const settled = () => jest.advanceTimersByTimeAsync(0);

describe('AdmissionService, while authenticate is pending', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each<[string, HeartbeatOptions['limits'], string, string]>([
    ['of the node', { maxConnections: 1 }, '10.0.0.2', 'at-capacity'],
    ['of an address', { maxPerIp: 1 }, '10.0.0.1', 'ip-limit'],
    ['of a /64', { maxPerIp: 1 }, '2001:db8::2', 'ip-limit'],
  ])('holds the slot %s', (_what, limits, other, reason) => {
    const setup = new Setup({ limits });
    setup.upgrade(reason === 'ip-limit' && other.includes(':') ? '2001:db8::1' : '10.0.0.1');
    expect([setup.upgrade(other).verdicts, setup.admission.pending]).toEqual([[reason], 1]);
  });

  it.each<[string, string[], (client: Client) => unknown]>([
    ['a refusal', ['unauthenticated'], client => client.answer(null)],
    ['an error', ['unauthenticated'], client => client.answer(new Error('no'))],
    ['the timeout', ['authentication-timeout'], () => jest.advanceTimersByTimeAsync(TIMEOUT)],
    ['the client’s disconnect, without a verdict', [], client => client.socket.destroy()],
  ])('releases the slot after %s', async (_what, verdicts, end) => {
    const setup = new Setup({ limits: { maxConnections: 1, maxPerIp: 1, handshakeTimeoutMs: TIMEOUT } });
    const client = setup.upgrade();
    await end(client);
    await settled();
    client.answer({ userId: 'too late' });
    await settled();
    expect([client.verdicts, setup.admission.pending, setup.connections.count]).toEqual([verdicts, 0, 0]);
    const next = setup.upgrade();
    next.answer('anonymous');
    await settled();
    expect(next.verdicts).toEqual(['admitted']);
  });

  it.each<[string, Partial<LiveLimits>, string]>([
    ['of the node', { maxConnections: 2 }, 'at-capacity'],
    ['of an address', { maxPerIp: 2 }, 'ip-limit'],
  ])('keeps a limit %s that was lowered while many authenticate', async (_what, lowered, reason) => {
    const setup = new Setup({ limits: { maxConnections: 5, maxPerIp: 5 } });
    const clients = Array.from({ length: 5 }, () => setup.upgrade());
    setup.node.limits = { ...setup.node.limits, ...lowered };
    for (const client of clients) {
      client.answer('anonymous');
      await settled();
    }
    const verdicts = clients.flatMap(client => client.verdicts);
    expect(verdicts).toEqual([reason, reason, reason, 'admitted', 'admitted']);
  });

  it('refuses a client whose authenticate is pending when admission closes, regardless of the answer', async () => {
    const setup = new Setup();
    const clients = [setup.upgrade(), setup.upgrade(), setup.upgrade()];
    setup.node.admissionClosed = true;
    (['anonymous', { userId: 'ann' }, null] as const).forEach((answer, index) => clients[index]!.answer(answer));
    await settled();
    expect(clients.flatMap(({ verdicts }) => verdicts)).toEqual(['draining', 'draining', 'draining']);
  });

  it.each<[string, Authentication]>([
    ['identified', { userId: 'ann' }],
    ['anonymous', 'anonymous'],
    ['to be identified later', 'deferred'],
  ])('refuses a client whose address was banned meanwhile, being %s', async (_what, answer) => {
    const setup = new Setup();
    const client = setup.upgrade();
    setup.bans.ban({ kind: 'ip', value: client.ip, forMs: 60_000 });
    client.answer(answer);
    await settled();
    expect(client.verdicts).toEqual(['banned']);
  });

  it('refuses a banned user, and no other user', async () => {
    const setup = new Setup();
    setup.bans.ban({ kind: 'user', value: 'ann', forMs: 60_000 });
    const [ann, bob] = [setup.upgrade(), setup.upgrade()];
    ann.answer({ userId: 'ann' });
    bob.answer({ userId: 'bob' });
    await settled();
    expect([ann.verdicts, bob.verdicts]).toEqual([['banned'], ['admitted']]);
  });

  it.each([
    ['refuse' as const, ['admitted', 'admitted', 'user-limit', 'admitted'], [null, null, null, null]],
    ['replace-oldest' as const, ['admitted', 'admitted', 'admitted', 'admitted'], [4502, null, null, null]],
  ])('keeps to maxPerUser when many answers arrive at once: %s', async (onUserLimit, verdicts, codes) => {
    const setup = new Setup({ limits: { maxPerUser: 2, onUserLimit } });
    const clients = ['ann', 'ann', 'ann', 'bob'].map(userId => ({ userId, client: setup.upgrade() }));
    for (const { userId, client } of clients) client.answer({ userId });
    await settled();
    expect(clients.flatMap(({ client }) => client.verdicts)).toEqual(verdicts);
    expect(clients.map(({ client: { connection } }) => connection?.closing?.code ?? null)).toEqual(codes);
  });

  it('holds every limit exactly and releases every slot, in any order of events', async () => {
    const MAX = { maxConnections: 4, maxPerIp: 2, maxPerUser: 2 };
    const anyStep = fc.record({
      what: fc.constantFrom(
        'upgrade',
        'upgrade',
        'upgrade',
        'answer',
        'answer',
        'disconnect',
        'close',
        'settle',
        'timeout',
      ),
      who: fc.nat(30),
      answer: fc.constantFrom<(Authentication | Error)[]>(
        { userId: 'ann' },
        { userId: 'bob' },
        'anonymous',
        'deferred',
        null,
        new Error('no'),
      ),
    });
    const anyPolicy = fc.constantFrom('refuse' as const, 'replace-oldest' as const);
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), anyPolicy, async (steps, onUserLimit) => {
        const setup = new Setup({ limits: { ...MAX, onUserLimit, handshakeTimeoutMs: TIMEOUT } });
        const clients: Client[] = [];
        /** For each new client: whether it was refused, and whether the node was full. */
        const refusals: [boolean, boolean][] = [];
        const connected = () => clients.filter(({ connection }) => connection && !connection.ended);
        for (const { what, who, answer } of steps) {
          const used = setup.connections.count + setup.admission.pending;
          const client = clients[who % Math.max(1, clients.length)];
          if (what === 'upgrade') {
            const added = setup.upgrade(`10.0.0.${who % 4}`);
            clients.push(added);
            refusals.push([added.verdicts.includes('at-capacity'), used === MAX.maxConnections]);
          }
          if (what === 'answer') client?.answer(answer);
          if (what === 'disconnect') client?.socket.destroy();
          if (what === 'close' && client) setup.leave(client);
          if (what === 'settle') await settled();
          if (what === 'timeout') await jest.advanceTimersByTimeAsync(TIMEOUT / 2);
          expect(setup.connections.count + setup.admission.pending).toBeLessThanOrEqual(MAX.maxConnections);
          for (const { ip } of clients) expect(setup.connections.findByIp(ip).length).toBeLessThanOrEqual(MAX.maxPerIp);
          for (const userId of ['ann', 'bob']) {
            const open = setup.connections.findByUser(userId).filter(({ state }) => state !== 'closing');
            expect(open.length).toBeLessThanOrEqual(MAX.maxPerUser);
          }
        }
        await jest.advanceTimersByTimeAsync(TIMEOUT);
        expect(setup.admission.pending).toBe(0);
        // No client is refused while a slot is free.
        expect(refusals.filter(([was, full]) => was !== full)).toEqual([]);
        expect(clients.every(({ verdicts }) => verdicts.length <= 1)).toBe(true);
        expect(connected()).toHaveLength(setup.connections.count);
        for (const client of connected()) setup.leave(client);
        const asked = ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map(ip =>
          setup.upgrade(ip),
        );
        expect(asked.map(({ verdicts }) => verdicts[0] ?? 'asking')).toEqual([
          'asking',
          'asking',
          'ip-limit',
          'asking',
          'asking',
          'at-capacity',
        ]);
      }),
      { numRuns: 150 },
    );
  });

  describe('where slots of users are shared with other nodes', () => {
    it.each<[boolean, string, string[]]>([
      [true, 'admitted', ['acquire ann', 'release ann of 1']],
      [false, 'user-limit', ['acquire ann']],
    ])('acquires a slot before the verdict: %p', async (isGranted, verdict, asked) => {
      const slots = new SlotsOfTest();
      const setup = new Setup({ limits: { maxPerUser: 1 } }, slots);
      const client = setup.upgrade();
      client.answer({ userId: 'ann' });
      await settled();
      expect([client.verdicts, setup.admission.pending]).toEqual([[], 1]);
      slots.grant(isGranted);
      await settled();
      expect([client.verdicts, setup.admission.pending, slots.asked]).toEqual([[verdict], 0, asked]);
    });

    it('releases the slot where the client has disconnected meanwhile, or is refused for another reason', async () => {
      const slots = new SlotsOfTest();
      const setup = new Setup({ limits: { maxPerUser: 1 } }, slots);
      for (const change of [(client: Client) => client.socket.destroy(), () => (setup.node.admissionClosed = true)]) {
        const client = setup.upgrade();
        client.answer({ userId: 'ann' });
        await settled();
        change(client);
        slots.grant(true);
        await settled();
        expect(client.connection).toBeNull();
      }
      expect(slots.asked).toEqual(['acquire ann', 'release ann of 0', 'acquire ann', 'release ann of 0']);
    });

    it.each<[string, string, (client: Client) => void]>([
      ['the client has become a connection', 'release ann of 1', client => client.open()],
      ['the client has disconnected', 'release ann of 0', client => void client.socket.destroy()],
    ])(
      'keeps the slot while a gateway delays the client, until %s, and leaves no listener',
      async (_what, released, end) => {
        const slots = new SlotsOfTest();
        const setup = new Setup({ limits: { maxPerUser: 1 } }, slots);
        setup.gatewayIsSlow = true;
        const client = setup.upgrade();
        client.answer({ userId: 'ann' });
        await settled();
        const listeners = client.socket.listenerCount('close');
        slots.grant(true);
        await settled();
        expect([client.verdicts, slots.asked]).toEqual([['admitted'], ['acquire ann']]);
        end(client);
        await settled();
        expect(slots.asked).toEqual(['acquire ann', released]);
        client.socket.destroy();
        await settled();
        expect([slots.asked.length, client.socket.listenerCount('close')]).toEqual([2, listeners]);
      },
    );

    it('acquires no slot for a client without identity', async () => {
      const slots = new SlotsOfTest();
      const setup = new Setup({ limits: { maxPerUser: 1 } }, slots);
      for (const answer of ['anonymous', 'deferred', null] as const) {
        setup.upgrade().answer(answer);
        await settled();
      }
      expect(slots.asked).toEqual([]);
    });
  });
});
