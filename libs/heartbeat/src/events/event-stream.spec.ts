import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';

import { until } from '../../../../test/support/assert/until.js';
import type { EventPage } from './event-page.js';
import { EventStream, type NodesSeen, type ReadPage } from './event-stream.js';

const OWN = 'own-00000001';
const OTHER = 'other-00000002';
const THIRD = 'third-00000003';

/** A frame as a reader has it. */
interface Read {
  readonly event?: string;
  readonly id?: string;
  readonly data?: string;
  readonly retry?: string;
}

/** A response whose reader may stop. */
class FakeResponse extends EventEmitter {
  written = '';
  isFull = false;
  wasDestroyed = false;
  hasEnded = false;

  write(text: string): boolean {
    this.written += text;
    return !this.isFull;
  }
  end(): this {
    this.hasEnded = true;
    return this;
  }
  destroy(): this {
    this.wasDestroyed = true;
    this.emit('close');
    return this;
  }
  takeAll(): void {
    this.isFull = false;
    this.emit('drain');
  }
  get frames(): Read[] {
    return this.written
      .split('\n\n')
      .filter(text => text !== '' && text !== ':')
      .map(text => Object.fromEntries(text.split('\n').map(line => line.split(/: (.*)/s).slice(0, 2))) as Read);
  }
  of(type: string): unknown[] {
    return this.frames.filter(({ event }) => event === type).map(({ data = '' }) => JSON.parse(data));
  }
}

interface Call {
  readonly nodeId: string;
  readonly after: number | null;
  answer(page: Partial<EventPage> | null): void;
}

const streams: EventStream[] = [];

function start({ positions = new Map<string, number>(), now = 0 } = {}) {
  const calls: Call[] = [];
  const read: ReadPage = (nodeId, { after }) =>
    new Promise(resolve => {
      const answer: Call['answer'] = page =>
        resolve(page && { events: [], next: after ?? 0, missing: null, hasEnded: false, ...page });
      calls.push({ nodeId, after, answer });
    });
  const response = new FakeResponse();
  const settings = { response, selection: { types: [], filter: {} }, ownId: OWN, positions, read, now };
  const stream = new EventStream(settings as unknown as ConstructorParameters<typeof EventStream>[0]);
  streams.push(stream);
  const see = (ids: readonly string[], more: Partial<NodesSeen> = {}) =>
    stream.update({ ids, isDegraded: false, isAlone: false, now, ...more });
  /** Answers the request that a node has, once it has come. */
  const reply = async (nodeId: string, page: Partial<EventPage> | null) => {
    const call = await until(() => calls.find(each => each.nodeId === nodeId));
    calls.splice(calls.indexOf(call), 1);
    call.answer(page);
    await new Promise(resolve => setImmediate(resolve));
  };
  return { stream, response, calls, see, reply };
}

const event = (seq: number): [number, string, string] => [seq, 'drift', `{"seq":${seq}}`];

describe('EventStream', () => {
  it('advises when to connect again, and begins each node at its next event', async () => {
    const { response, see, reply, calls } = start();
    see([OWN, OTHER]);
    expect(response.written).toBe('retry: 2000\n\n');
    expect(calls.map(({ nodeId, after }) => [nodeId, after])).toEqual([
      [OWN, null],
      [OTHER, null],
    ]);
    await reply(OWN, { next: 7 });
    expect(response.of('status')).toEqual([]);
    await reply(OTHER, { next: 3 });
    const nodes = [OWN, OTHER].map(id => ({ id, status: 'ok' }));
    expect(response.frames.slice(1)).toEqual([
      { event: 'status', id: '00000001:7,00000002:3', data: JSON.stringify({ type: 'status', nodes }) },
    ]);
  });

  it('gives each event the position at all nodes', async () => {
    const { response, see, reply } = start();
    see([OWN, OTHER]);
    await reply(OWN, { next: 7 });
    await reply(OTHER, { next: 3 });
    await reply(OWN, { next: 12, events: [event(9), event(11)] });
    await reply(OTHER, { next: 5, events: [event(4)] });
    const ids = response.frames.filter(each => each.event === 'drift').map(({ id, data }) => [id, data]);
    expect(ids).toEqual([
      ['00000002:3,00000001:9', '{"seq":9}'],
      ['00000002:3,00000001:11', '{"seq":11}'],
      ['00000001:12,00000002:4', '{"seq":4}'],
    ]);
  });

  it('continues each node at its position', () => {
    const positions = new Map([
      ['00000001', 5],
      ['00000002', 9],
    ]);
    const { see, calls } = start({ positions });
    see([OWN, OTHER, THIRD]);
    expect(calls.map(({ nodeId, after }) => [nodeId, after])).toEqual([
      [OWN, 5],
      [OTHER, 9],
      [THIRD, null],
    ]);
  });

  it('names what a node no longer has', async () => {
    const { response, see, reply } = start({ positions: new Map([['00000001', 5]]) });
    see([OWN]);
    await reply(OWN, { next: 12, missing: [6, 10], events: [event(11)] });
    expect(response.frames.slice(1, 3)).toEqual([
      {
        event: 'gap',
        id: '00000001:10',
        data: JSON.stringify({ type: 'gap', node: OWN, boot: '00000001', from: 6, to: 10, reason: 'overwritten' }),
      },
      { event: 'drift', id: '00000001:11', data: '{"seq":11}' },
    ]);
  });

  it('reports a position of a node that is not there as a gap without an end: at once on a node alone', () => {
    const { response, see } = start({ positions: new Map([['0000000f', 5]]) });
    see([OWN], { isAlone: true });
    expect(response.of('gap')).toEqual([
      { type: 'gap', node: null, boot: '0000000f', from: 6, to: null, reason: 'ended' },
    ]);
  });

  it('in a cluster waits for its lease, since a Redis that was emptied has none, and does not count time without Redis', async () => {
    const { response, see, reply } = start({ positions: new Map([['00000002', 5]]) });
    see([OWN], { now: 0 });
    await reply(OWN, { next: 1 });
    see([OWN], { now: 4900 });
    see([OWN], { now: 5000, isDegraded: true });
    see([OWN], { now: 20_000 });
    see([OWN], { now: 24_900 });
    expect(response.of('gap')).toEqual([]);
    expect(response.frames.at(-1)?.id).toBe('00000002:5,00000001:1');
    see([OWN], { now: 25_000 });
    expect(response.of('gap')).toMatchObject([{ boot: '00000002', from: 6, to: null, reason: 'ended' }]);
  });

  it('requests no page while the reader has not taken the last, and then sends the page of each node in turn', async () => {
    const { response, see, reply, calls, stream } = start();
    see([OWN, OTHER]);
    await reply(OWN, { next: 0 });
    await reply(OTHER, { next: 0 });
    response.isFull = true;
    await reply(OWN, { next: 1, events: [event(1)] });
    const length = response.written.length;
    await reply(OWN, { next: 2, events: [event(2)] });
    await reply(OTHER, { next: 1, events: [event(1)] });
    stream.beat(1000);
    await new Promise(resolve => setImmediate(resolve));
    expect([response.written.length, calls.length]).toEqual([length, 0]);
    response.emit('drain');
    await until(() => response.of('drift').length === 2);
    expect(calls.length).toBe(1);
    response.takeAll();
    await until(() => response.of('drift').length === 3);
    expect(calls.length).toBe(2);
  });

  it('cuts off a reader that takes nothing for a minute', async () => {
    const { response, see, reply, stream } = start();
    see([OWN]);
    response.isFull = true;
    await reply(OWN, { next: 1, events: [event(1)] });
    stream.beat(59_000);
    expect(response.wasDestroyed).toBe(false);
    stream.beat(60_000);
    expect(response.wasDestroyed).toBe(true);
  });

  it('sends a comment after 15 s without an event', async () => {
    const { response, see, reply, stream } = start();
    see([OWN]);
    await reply(OWN, { next: 1 });
    const before = response.written.length;
    stream.beat(14_000);
    expect(response.written.length).toBe(before);
    stream.beat(15_000);
    stream.beat(16_000);
    expect(response.written.slice(before)).toBe(':\n\n');
  });

  it('reports silent nodes and asks them again, and sends nothing twice that arrives late', async () => {
    const { response, see, reply, stream, calls } = start();
    see([OWN, OTHER]);
    await reply(OWN, { next: 1 });
    await reply(OTHER, { next: 1 });
    await reply(OTHER, null);
    expect(response.of('status').at(-1)).toMatchObject({ nodes: [{ status: 'ok' }, { id: OTHER, status: 'timeout' }] });
    expect(calls.map(({ nodeId }) => nodeId)).toEqual([OWN]);
    stream.beat(1000);
    await reply(OTHER, { next: 5, events: [event(4)] });
    expect(response.of('status').at(-1)).toMatchObject({ nodes: [{ status: 'ok' }, { id: OTHER, status: 'ok' }] });
    expect(response.of('drift')).toEqual([{ seq: 4 }]);
  });

  it('says that it is degraded without Redis, and continues the others afterwards where they were', async () => {
    const { response, see, reply, calls } = start();
    see([OWN, OTHER]);
    await reply(OWN, { next: 1 });
    await reply(OTHER, { next: 3 });
    const [, lost] = calls;
    see([OWN], { isDegraded: true });
    expect(response.of('status').at(-1)).toEqual({
      type: 'status',
      nodes: [
        { id: OWN, status: 'ok' },
        { id: OTHER, status: 'timeout' },
      ],
      degraded: true,
    });
    see([OWN, OTHER]);
    // The reply to the request before the loss arrives after all.
    lost?.answer({ next: 5, events: [event(4)] });
    await new Promise(resolve => setImmediate(resolve));
    expect(response.of('drift')).toEqual([]);
    calls.splice(1, 1);
    expect(calls.at(-1)).toMatchObject({ nodeId: OTHER, after: 3 });
    await reply(OTHER, { next: 5, events: [event(4)] });
    expect(response.of('drift')).toEqual([{ seq: 4 }]);
    expect(response.of('status').at(-1)).not.toHaveProperty('degraded');
  });

  it('drops a node that has ended: without a gap after its last page, with one where that is unknown', async () => {
    const { response, see, reply, stream } = start();
    see([OWN, OTHER, THIRD]);
    for (const id of [OWN, OTHER, THIRD]) await reply(id, { next: 1 });
    await reply(OTHER, { next: 3, events: [event(3)], hasEnded: true });
    stream.left(OTHER);
    stream.left(THIRD);
    expect(response.of('gap')).toEqual([
      { type: 'gap', node: THIRD, boot: '00000003', from: 2, to: null, reason: 'ended' },
    ]);
    expect(response.of('status').at(-1)).toEqual({ type: 'status', nodes: [{ id: OWN, status: 'ok' }] });
    expect(response.frames.at(-1)?.id).toBe('00000001:1');
  });

  it('ends with the last events and the advice when to connect again, and cuts off a reader that does not read', async () => {
    const { response, see, reply, stream } = start();
    see([OWN]);
    await reply(OWN, { next: 1 });
    const pages = [
      { events: [event(2)], next: 2, missing: null, hasEnded: false },
      { events: [event(3)], next: 3, missing: null, hasEnded: true },
    ];
    stream.end(after => pages.find(({ next }) => next > after) ?? { ...pages[1]!, events: [], next: after }, 4200);
    expect(response.of('drift')).toEqual([{ seq: 2 }, { seq: 3 }]);
    expect(response.frames.at(-1)).toEqual({ retry: '4200' });
    expect([response.hasEnded, response.wasDestroyed]).toEqual([true, false]);
    await until(() => response.wasDestroyed);
  });

  it('ends at once with its reader, and writes nothing afterwards', async () => {
    const { response, see, reply, stream, calls } = start();
    see([OWN]);
    response.emit('close');
    const length = response.written.length;
    await reply(OWN, { next: 1, events: [event(1)] });
    stream.end(() => ({ events: [], next: 1, missing: null, hasEnded: true }), 1000);
    expect([response.written.length, calls.length, response.hasEnded]).toEqual([length, 0, false]);
  });
});
