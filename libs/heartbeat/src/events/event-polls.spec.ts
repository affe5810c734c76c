import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { EventLog } from './event-log.js';
import type { EventPage, EventSelection } from './event-page.js';
import { EventPolls } from './event-polls.js';

Logger.overrideLogger(false);

const ALL: EventSelection = { types: ['drift', 'slow'], filter: {} };

/** A node that serves streams. */
interface Serving {
  readonly node: WorldNode;
  readonly log: EventLog;
  readonly polls: EventPolls;
}

let world: ClusterWorld;
let asking: Serving;
let owner: Serving;

async function add(): Promise<Serving> {
  const node = await world.add();
  const log = new EventLog(node.state, node.events, node.connections);
  return { node, log, polls: new EventPolls(node.state, log, node.requests) };
}

beforeEach(async () => {
  world = new ClusterWorld();
  [asking, owner] = [await add(), await add()];
});
afterEach(async () => {
  for (const { log } of [asking, owner]) log.close();
  await world.end();
});

const read = (after: number | null, selection = ALL) => asking.polls.read(owner.node.id, { ...selection, after });
const sent = () => asking.node.bus.calls['publish'] ?? 0;
const announce = (count: number) => owner.node.events.announce({ type: 'drift', kind: 'index', count });
const texts = (page: EventPage | null) => page?.events.map(([, , text]) => JSON.parse(text) as Record<string, unknown>);

describe('pages of events of another node', () => {
  it('begin at the position of its next event, and have what happens after that', async () => {
    const begun = await read(null);
    const waiting = read(begun!.next);
    announce(1);
    announce(2);
    const page = await waiting;
    expect(page).toMatchObject({ next: begun!.next + 2, missing: null, hasEnded: false });
    expect(texts(page)).toMatchObject([
      { type: 'drift', node: owner.node.id, count: 1 },
      { type: 'drift', node: owner.node.id, count: 2 },
    ]);
  });

  it('are filtered there, also by a label that JSON would lose', async () => {
    const labels = Object.fromEntries([['__proto__', 'red']]);
    const filtered = { ...ALL, filter: { labels } };
    const begun = await read(null, filtered);
    const waiting = read(begun!.next, filtered);
    for (const userId of ['ada', 'eve']) {
      const { id } = owner.node.open({ userId, labels: userId === 'ada' ? labels : {} });
      owner.node.events.announce({ type: 'slow', id, bufferedBytes: userId.length, why: 'limit' });
      announce(1);
    }
    expect(texts(await waiting)).toMatchObject([{ type: 'slow' }]);
  });

  it('are requested once for readers with the same filter at the same position', async () => {
    const begun = await read(null);
    const before = sent();
    const pages = [read(begun!.next), read(begun!.next), read(begun!.next, { ...ALL, filter: { user: 'ada' } })];
    expect(sent() - before).toBe(2);
    announce(1);
    expect(await pages[0]).toBe(await pages[1]);
    owner.log.close();
    expect(await pages[2]).toMatchObject({ events: [], hasEnded: true });
  });

  it('are requested anew where the pending request is lost', async () => {
    const begun = await read(null);
    const before = sent();
    const lost = read(begun!.next);
    asking.polls.forget();
    const anew = read(begun!.next);
    expect(sent() - before).toBe(2);
    announce(1);
    expect([await lost, await anew].map(page => page?.events.length)).toEqual([1, 1]);
  });

  it('end with the node, with its last events', async () => {
    const begun = await read(null);
    const waiting = read(begun!.next);
    announce(7);
    owner.log.close();
    expect(await waiting).toMatchObject({ hasEnded: true, events: [[begun!.next + 1, 'drift', expect.any(String)]] });
  });

  it.each<[string, object]>([
    ['a text of several lines', { events: [[1, 'drift', '{}\ndata: x']] }],
    ['a type that is none', { events: [[1, 'drift\nid: 5', '{}']] }],
    ['too many events', { events: Array.from({ length: 201 }, (_, seq) => [seq, 'drift', '{}']) }],
  ])('are refused with %s', async (_what, part) => {
    owner.node.repliesTo('events', {
      isFailed: false,
      body: { events: [], next: 1, missing: null, hasEnded: false, ...part },
    });
    expect(await read(0)).toBeNull();
    expect(asking.node.errors['message']).toBe(1);
  });

  it('are null where the node fails', async () => {
    owner.node.repliesTo('events', { isFailed: true, body: null });
    expect(await read(0)).toBeNull();
  });
});
