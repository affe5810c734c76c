import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { LimitedLogger } from './limited-logger.js';

const lines: string[] = [];
const write = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
const capture = { log: write('log'), warn: write('warn'), error: write('error'), debug: write('debug') };

function aLogger() {
  const clock = { ms: 5000, now: () => clock.ms, wallTime: (moment: number) => new Date(moment) };
  return { clock, log: new LimitedLogger('Heartbeat', clock) };
}

const shown = () => lines.filter(line => !line.startsWith('debug'));

beforeEach(() => {
  lines.length = 0;
  Logger.overrideLogger(capture);
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('LimitedLogger', () => {
  it('logs a kind once within a minute, regardless of the text', () => {
    const { clock, log } = aLogger();
    for (let i = 0; i < 200; i++) {
      clock.ms += 299;
      log.warn('authenticate failed', `authenticate failed for ${i}`);
    }
    expect(lines).toEqual(['warn authenticate failed for 0']);
    log.close();
  });

  it('logs at the end of the minute how many lines were left out', () => {
    const { clock, log } = aLogger();
    for (let i = 0; i < 5; i++) log.error('a handler failed', 'a handler failed');
    clock.ms += 60_000;
    jest.advanceTimersByTime(60_000);
    expect(lines).toEqual(['error a handler failed', 'error a handler failed: 4 more in 60 s, not shown']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('logs the count before the next line of any kind where the timer was late', () => {
    const { clock, log } = aLogger();
    for (let i = 0; i < 3; i++) log.warn('one', 'one');
    clock.ms += 61_000;
    log.warn('other', 'other');
    expect(lines).toEqual(['warn one', 'warn one: 2 more in 60 s, not shown', 'warn other']);
    log.close();
  });

  it('logs a kind again with its text in the next minute', () => {
    const { clock, log } = aLogger();
    log.warn('one', 'first');
    clock.ms += 60_000;
    log.warn('one', 'second');
    expect(lines).toEqual(['warn first', 'warn second']);
    log.close();
  });

  it('counts kinds separately', () => {
    const { log } = aLogger();
    for (let i = 0; i < 2; i++) for (const kind of ['one', 'other']) log.warn(kind, kind);
    log.close();
    expect(lines.slice(2)).toEqual(['warn one: 1 more in 60 s, not shown', 'warn other: 1 more in 60 s, not shown']);
  });

  it('has one timer, and only while a count waits', () => {
    const { clock, log } = aLogger();
    log.warn('one', 'one');
    log.warn('other', 'other');
    expect(jest.getTimerCount()).toBe(0);
    clock.ms += 30_000;
    for (const kind of ['one', 'other', 'third', 'third']) log.warn(kind, kind);
    expect(jest.getTimerCount()).toBe(1);
    clock.ms += 60_000;
    jest.advanceTimersByTime(60_000);
    expect(jest.getTimerCount()).toBe(0);
    expect(shown().filter(line => line.includes('more'))).toHaveLength(3);
  });

  it('keeps a kind whose minute is not over when the timer fires', () => {
    const { clock, log } = aLogger();
    for (let i = 0; i < 2; i++) log.warn('one', 'one');
    clock.ms += 40_000;
    jest.advanceTimersByTime(40_000);
    for (let i = 0; i < 2; i++) log.warn('other', 'other');
    clock.ms += 20_000;
    jest.advanceTimersByTime(20_000);
    expect(lines.at(-1)).toBe('warn one: 1 more in 60 s, not shown');
    clock.ms += 40_000;
    jest.advanceTimersByTime(40_000);
    expect(lines.at(-1)).toBe('warn other: 1 more in 60 s, not shown');
    expect(jest.getTimerCount()).toBe(0);
  });

  it('has no timer after it was closed, and starts none', () => {
    const { log } = aLogger();
    for (let i = 0; i < 3; i++) log.warn('one', 'one');
    log.close();
    for (let i = 0; i < 3; i++) log.warn('one', 'one');
    expect(jest.getTimerCount()).toBe(0);
    expect(lines).toEqual(['warn one', 'warn one: 2 more in 60 s, not shown', 'warn one']);
  });

  it('logs at most a bounded number of lines for kinds that a client invents', () => {
    const { log } = aLogger();
    for (let i = 0; i < 5000; i++) log.warn(`kind ${i}`, `text ${i}`);
    expect(lines).toHaveLength(101);
    log.close();
    expect(lines.at(-1)).toBe('warn further kinds of log lines: 4899 more in 60 s, not shown');
    expect(lines).toHaveLength(102);
  });

  it('logs name and message of an error, and its stack at the level debug only', () => {
    const { log } = aLogger();
    for (let i = 0; i < 3; i++) log.warn('one', 'one', new TypeError('jwt malformed'));
    expect(lines).toEqual([
      'warn one: TypeError: jwt malformed',
      expect.stringMatching(/^debug one: TypeError: jwt malformed\n {4}at /),
    ]);
    log.close();
  });

  it('escapes client input in texts, kinds and errors', () => {
    const { log } = aLogger();
    for (let i = 0; i < 2; i++) log.error('kind\n', 'text\x1b[2J', new Error('bad\r\ntoken\u202e'));
    log.close();
    expect(shown()).toEqual([
      'error text\\x1b[2J: Error: bad\\r\\ntoken\\u202e',
      'error kind\\n: 1 more in 60 s, not shown',
    ]);
    expect(lines.join('')).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  });
});
