import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';

import { SilentSockets } from './silent-sockets.js';

/** A socket without a network. */
class Line extends PassThrough {
  bytesRead = 0;
}

let now = 0;
let room = Infinity;
let sockets: SilentSockets;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  now = 0;
  room = Infinity;
  sockets = make();
});
afterEach(() => {
  sockets.close();
  jest.useRealTimers();
});

function make(bounds: { maxPerNetwork?: number; max?: number; timeoutMs?: number } = {}): SilentSockets {
  return new SilentSockets({
    timeoutMs: 1000,
    maxPerNetwork: Infinity,
    max: Infinity,
    ...bounds,
    isFull: () => sockets.count > room,
    now: () => now,
  });
}

function accept(network: string | null = 'a'): Line {
  const line = new Line();
  sockets.add(line, network);
  return line;
}

/** Sends a complete request head, and returns a function that ends the response. */
function request(socket: Line, headers: Record<string, string> = {}, complete = true): () => void {
  const response = new EventEmitter();
  sockets.requested({ socket, headers, complete } as unknown as IncomingMessage, response as ServerResponse);
  return () => void response.emit('close');
}

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) {
    now += 50;
    jest.advanceTimersByTime(50);
  }
}

const ended = (...lines: Line[]) => lines.map(({ destroyed }) => destroyed);

describe('SilentSockets, by time', () => {
  it('destroys a socket that sends no complete head within the time limit', () => {
    const lines = [accept(), accept('b')];
    pass(900);
    expect(ended(...lines)).toEqual([false, false]);
    lines[0]!.bytesRead = 20;
    pass(400);
    expect(ended(...lines)).toEqual([true, true]);
    expect(sockets.count).toBe(0);
  });

  it('destroys an idle socket on which a head has begun, that much later', () => {
    const line = accept();
    request(line)();
    pass(5000);
    expect(ended(line)).toEqual([false]);
    line.bytesRead = 1;
    pass(900);
    expect(ended(line)).toEqual([false]);
    pass(700);
    expect(ended(line)).toEqual([true]);
  });

  it.each<[string, () => Line]>([
    ['a request that the application works on', () => worksOn({})],
    ['a body under way', () => worksOn({ 'content-length': '5' }, false)],
    ['a trusted proxy, or a Unix socket', () => accept(null)],
    [
      'an upgrade',
      () => {
        const line = accept();
        sockets.upgrading(line);
        return line;
      },
    ],
    [
      'a response to a request that came without the event `request`',
      () => Object.assign(accept(), { _httpMessage: new EventEmitter() }),
    ],
  ])('keeps %s', (_what, given) => {
    const line = given();
    pass(10_000);
    expect([ended(line), sockets.count]).toEqual([[false], 1]);
  });

  it('removes a socket that is counted elsewhere, or has closed', async () => {
    const [one, two] = [accept(), accept()];
    sockets.forget(one);
    two.destroy();
    await new Promise(resolve => setImmediate(resolve));
    expect([sockets.count, one.listenerCount('close')]).toEqual([0, 0]);
    pass(2000);
    expect(ended(one)).toEqual([false]);
  });

  it('leaves no timer and no listener when it is closed', () => {
    const line = accept();
    idle();
    sockets.close();
    expect([jest.getTimerCount(), line.listenerCount('close'), sockets.count]).toEqual([0, 0, 0]);
  });

  it('destroys many late sockets in several turns', () => {
    const lines = Array.from({ length: 500 }, () => accept());
    pass(950);
    now += 50;
    jest.advanceTimersByTime(50);
    const first = ended(...lines).filter(Boolean).length;
    expect([first > 0, first < 300]).toEqual([true, true]);
    jest.advanceTimersByTime(10);
    expect(ended(...lines).every(Boolean)).toBe(true);
  });
});

function worksOn(headers: Record<string, string>, complete = true): Line {
  const line = accept();
  request(line, headers, complete);
  return line;
}

describe('SilentSockets, by number', () => {
  it('destroys none after a stall: bytes that arrived meanwhile are read first', () => {
    const lines = [accept(), accept()];
    now = 5000;
    jest.advanceTimersByTime(250);
    expect(ended(...lines)).toEqual([false, false]);
    request(lines[0]!);
    jest.advanceTimersByTime(10);
    expect(ended(...lines)).toEqual([false, true]);
  });

  it('limits the heads of one network, and destroys the oldest', () => {
    sockets = make({ maxPerNetwork: 3, timeoutMs: 10_000 });
    const other = accept('b');
    const lines = Array.from({ length: 4 }, () => accept());
    pass(950);
    expect(ended(other, ...lines)).toEqual([false, false, false, false, false]);
    pass(300);
    expect(ended(other, ...lines)).toEqual([false, true, false, false, false]);
    const newcomer = accept();
    expect(ended(...lines, newcomer)).toEqual([true, true, false, false, false]);
  });

  it('limits the heads of all, and destroys the oldest', () => {
    sockets = make({ max: 4, timeoutMs: 10_000 });
    const other = accept('b');
    pass(100);
    const lines = [accept(), accept(), accept(), accept()];
    pass(1300);
    expect(ended(other, ...lines)).toEqual([true, false, false, false, false]);
  });

  it.each<[string, () => Line[]]>([
    ['silent sockets', () => [accept(), accept()]],
    ['idle sockets', () => [0, 1].map(() => idle())],
    ['bodies that do not arrive', () => [0, 1].map(() => worksOn({ 'transfer-encoding': 'chunked' }, false))],
  ])('at the limit of open files, destroys the oldest of %s of the busiest network', (_what, given) => {
    room = 3;
    const other = accept('b');
    const lines = given();
    pass(300);
    const newcomer = accept('c');
    expect(ended(other, ...lines, newcomer)).toEqual([false, true, false, false]);
  });

  it('destroys silent sockets before idle ones of the same network, unless they are new', () => {
    sockets = make({ timeoutMs: 10_000 });
    room = 3;
    const keptAlive = idle();
    const silent = accept();
    pass(1000);
    const young = accept();
    const newcomer = accept();
    expect(ended(keptAlive, silent, young, newcomer)).toEqual([false, true, false, false]);
    const next = accept();
    expect(ended(keptAlive, young, newcomer, next)).toEqual([true, false, false, false]);
  });

  it('never destroys a request that the application works on, with or without a body', () => {
    room = 2;
    const lines = [worksOn({}), worksOn({ 'content-length': '5' })];
    pass(300);
    const newcomer = accept();
    expect(ended(...lines, newcomer)).toEqual([false, false, false]);
    const next = accept();
    expect(ended(...lines, newcomer, next)).toEqual([false, false, true, false]);
  });

  it('counts trusted proxies, and destroys none of them', () => {
    room = 2;
    const proxies = [accept(null), accept(null), accept(null)];
    pass(300);
    expect(ended(...proxies, accept())).toEqual([false, false, false, false]);
  });

  it('takes an accepted socket once, also where it starts again', () => {
    const line = accept();
    request(line);
    sockets.add(line, 'a');
    pass(5000);
    expect([ended(line), sockets.count]).toEqual([[false], 1]);
  });
});

function idle(): Line {
  const line = accept();
  request(line)();
  return line;
}
