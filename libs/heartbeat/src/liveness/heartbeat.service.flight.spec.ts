import { describe, expect, it } from '@jest/globals';

import { Peer, World } from '../../../../test/support/servers/liveness-world.js';

/** A world with one peer that is pinged every 5 s and has 1 s for an answer, twice. */
function open() {
  const world = new World({ heartbeat: { intervalMs: 5000, pongTimeoutMs: 1000 } });
  const peer = new Peer(world);
  const flight = () => world.connections.detail(peer.connection.id)?.flight ?? [];
  return { world, peer, flight, kinds: () => flight().map(({ kind }) => kind) };
}

describe('the flight record of a live connection', () => {
  it('has one entry for all answered pings', () => {
    const { world, peer, flight, kinds } = open();
    for (const rttMs of [50, 150, 100]) {
      peer.rttMs = rttMs;
      world.untilPinged(peer);
      world.pass(rttMs + 100);
    }
    expect(kinds()).toEqual(['opened', 'pings']);
    const { answered, lastMs, minMs, maxMs, meanMs } = flight()[1]!;
    expect([answered, lastMs, minMs, maxMs, meanMs]).toEqual([3, 100, 50, 150, 100]);
    expect(peer.connection.flight).toBeNull();
  });

  it.each([
    ['a pong', (peer: Peer) => peer.answer()],
    ['bytes of a message', (peer: Peer) => peer.byte()],
  ])('has a missed ping, and that the peer is alive again by %s', (_what, revive) => {
    const { world, peer, flight, kinds } = open();
    peer.answers = false;
    world.untilPinged(peer);
    world.pass(1200);
    expect(kinds()).toEqual(['opened', 'missed']);
    revive(peer);
    world.pass(1000);
    expect(kinds().filter(kind => kind !== 'pings')).toEqual(['opened', 'missed', 'answered']);
    expect(flight().find(({ kind }) => kind === 'answered')).toMatchObject({ missed: 1 });
    expect(peer.destroyedAt).toBeNull();
  });

  it('has each stall of the server within its life, with its length, and later connections have none', () => {
    const { world, flight } = open();
    world.pass(1000);
    world.step(4000);
    world.pass(2000);
    world.step(700);
    expect(flight().filter(({ kind }) => kind === 'stall')).toMatchObject([{ stalledMs: 3900 }, { stalledMs: 600 }]);
    const later = new Peer(world).connection;
    world.pass(1000);
    expect(world.connections.detail(later.id)?.flight.map(({ kind }) => kind)).toEqual(['opened']);
  });

  it('of a dead peer ends with the cause and the close, and the verdict has the last byte', () => {
    const { world, peer } = open();
    world.pass(5000);
    peer.message();
    peer.answers = false;
    const destroyedAt = world.untilDestroyed(peer);
    expect(destroyedAt).toBeGreaterThan(0);
    const [closed] = world.connections.closedHistory();
    expect(closed?.flight.map(({ kind }) => kind)).toEqual(['opened', 'pings', 'missed', 'missed', 'closed']);
    expect(closed?.verdict).toMatch(
      /^The client stopped answering: 2 pings in a row stayed unanswered for 1 s each, so the server ended the connection at \S+Z \(4000\); its last byte came 7(\.\d)? s earlier\.$/,
    );
  });
});
