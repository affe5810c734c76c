import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { Peer, World } from '../../../../test/support/servers/liveness-world.js';

/** The second of tolerance in docs/guarantees.md, Liveness. */
const SLACK = 1000;

/** Any valid options, small enough for a simulation. */
const anyHeartbeat = fc
  .record({
    intervalMs: fc.integer({ min: 200, max: 8000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    missedPongs: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ intervalMs, share, missedPongs }) => ({
    intervalMs,
    pongTimeoutMs: 50 + Math.floor(share * (intervalMs - 51)),
    missedPongs,
  }));
/** Ticks that are in time or late, but not late enough for a stall. */
const anySteps = fc.array(fc.integer({ min: 50, max: 100 }), { minLength: 1, maxLength: 20 });
const anyGaps = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('HeartbeatService, for any options and ticks', () => {
  it('detects and destroys a silent peer within the promised bound, and pings it missedPongs times', () => {
    fc.assert(
      fc.property(anyHeartbeat, anySteps, anyGaps, fc.boolean(), (heartbeat, steps, gaps, skipWhenActive) => {
        const world = new World({ heartbeat: { ...heartbeat, skipWhenActive } });
        const { intervalMs, pongTimeoutMs, missedPongs } = heartbeat;
        world.pass(gaps[0]! * intervalMs, steps);
        const peer = new Peer(world);
        for (const gap of gaps) {
          world.pass(gap * 1.5 * intervalMs, steps);
          // Receives a message or a single byte.
          if (gap > 0.5) peer.message();
          else peer.byte();
        }
        peer.answers = false;
        const lastByteAt = world.node.attendedMs;
        const pingsBefore = peer.pings.length;
        const bound = intervalMs + missedPongs * pongTimeoutMs + SLACK;
        world.pass(bound, steps);
        // A ping may have been in flight with the last byte.
        expect(peer.pings.length - pingsBefore).toBeGreaterThanOrEqual(missedPongs - 1);
        expect((peer.destroyedAt ?? Infinity) - lastByteAt).toBeLessThanOrEqual(bound);
        expect(world.connections.count).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('never destroys a peer that answers, regardless of other events', () => {
    const anyHappening = fc.record({
      kind: fc.constantFrom('message', 'byte', 'stall', 'jump', 'pause', 'resume', 'nothing'),
      share: fc.double({ min: 0, max: 2.5, noNaN: true }),
    });
    fc.assert(
      fc.property(
        anyHeartbeat.filter(({ pongTimeoutMs }) => pongTimeoutMs >= 300),
        anySteps,
        fc.array(anyHappening, { maxLength: 30 }),
        (heartbeat, steps, happenings) => {
          const world = new World({ heartbeat });
          const peers = Array.from({ length: 5 }, () => new Peer(world));
          for (const peer of peers) peer.rttMs = heartbeat.pongTimeoutMs - 200;
          for (const { kind, share } of happenings) {
            const ms = Math.ceil(share * heartbeat.intervalMs);
            for (const peer of peers) {
              if (kind === 'message') peer.message();
              if (kind === 'byte') peer.byte();
              if (kind === 'pause' || kind === 'resume') peer.isPaused = kind === 'pause';
            }
            if (kind === 'stall') world.step(50 + ms);
            else if (kind === 'jump') world.step(50, ms * (share < 1 ? -10 : 10));
            else world.pass(ms, steps);
          }
          expect(peers.map(({ destroyedAt }) => destroyedAt)).toEqual(peers.map(() => null));
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each<[string, number, (peer: Peer) => void]>([
    ['sends a message within every interval', 0, peer => peer.message()],
    // The sweeps account for bytes without a message, with a resolution of a second.
    ['sends a byte within every interval but a second', 1000, peer => peer.byte()],
  ])('does not ping a peer that %s', (_what, lessMs, send) => {
    fc.assert(
      fc.property(anyHeartbeat, anySteps, anyGaps, (heartbeat, steps, gaps) => {
        const world = new World({ heartbeat });
        const peer = new Peer(world);
        peer.answers = false;
        // The gap and the ticks that it and the sweep are rounded to stay within the interval.
        const longest = Math.max(0, heartbeat.intervalMs - lessMs - 300);
        for (const gap of gaps) {
          send(peer);
          world.pass(gap * longest, steps);
        }
        expect(peer.pings).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
