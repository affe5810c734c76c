import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger, type LogLevel } from '@nestjs/common';
import { VERSION } from 'nestjs-heartbeat/tooling';

import { AuditMessage } from '../../../libs/heartbeat/src/http/admin-audit.js';
import type { AuditEntry } from '../../../libs/heartbeat/src/http/audit-view.js';
import { JsonLogger } from './json-logger.js';

/** Everything that is written to either stream. */
let written = '';

beforeEach(() => {
  written = '';
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, 'write').mockImplementation(text => {
      written += String(text);
      return true;
    });
  }
});
afterEach(() => void jest.restoreAllMocks());

function lines(): Record<string, unknown>[] {
  return written.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
}

describe('JsonLogger', () => {
  it.each<LogLevel>(['verbose', 'debug', 'log', 'warn', 'error', 'fatal'])(
    'names node and version at the level %s',
    level => {
      const logger = new JsonLogger('verbose', 'a');
      logger[level]('before', 'Some');
      logger.node = 'a-0123abcd';
      logger[level]('after', 'Some');
      const common = { level, pid: process.pid, version: VERSION, timestamp: expect.any(Number), context: 'Some' };
      expect(lines()).toEqual([
        { ...common, node: 'a', message: 'before' },
        { ...common, node: 'a-0123abcd', message: 'after' },
      ]);
    },
  );

  it('has no field for a node whose name is not known', () => {
    new JsonLogger('log', null).log('first', 'Some');
    expect(Object.keys(lines()[0] ?? {})).toEqual(['level', 'pid', 'timestamp', 'message', 'context', 'version']);
  });

  it.each([
    ['a text', 'node', 'of a line'],
    ['an object', 'version', { a: 1 }],
    ['a list', 'level', [1, 2]],
  ])('keeps its own fields beside parameters of the same name: %s', (_what, key, value) => {
    new JsonLogger('log', 'a').log('text', { [key]: value, other: value }, 'Some');
    expect(lines()).toMatchObject([{ level: 'log', node: 'a', version: VERSION, message: 'text', other: value }]);
  });

  it.each<[string, Partial<AuditEntry>]>([
    ['a kick', { parameters: { reason: 'spam', reconnect: true } }],
    ['a ban', { what: 'ban', target: 'ban-1', parameters: { kind: 'user', value: 'u', forMs: 1000 } }],
    ['without parameters', { what: 'lift-ban', target: 'ban-1' }],
    ['forbidden', { who: 'screen', result: 'forbidden' }],
    [
      'refused requests',
      { who: 'unknown', what: 'admin-request', result: 'refused', parameters: { count: 3, 401: 3 } },
    ],
    ['a target of a client', { target: '\u009b2J "\n\u2028\u202e' }],
  ])('has an audit entry as fields: %s', (_what, part) => {
    const entry: AuditEntry = {
      who: 'ops',
      what: 'kick',
      target: 'a.00000001',
      from: '127.0.0.1',
      result: 'done',
      role: 'operator',
      ...part,
    };
    new JsonLogger('log', 'a').log(new AuditMessage(entry), 'HeartbeatAudit');
    expect(written).toMatch(/^[^\p{Cc}\u2028\u2029\u202e]+\n$/u);
    const { who, what, ...same } = entry;
    const message = `${what} of ${entry.target} by ${who}: ${entry.result}`;
    const [line] = lines();
    expect(line).toMatchObject({ ...same, actor: who, action: what, message, context: 'HeartbeatAudit', node: 'a' });
    expect('parameters' in line!).toBe('parameters' in entry);
  });

  it('leaves an error that Nest throws as well to the program that catches it, until it has started', () => {
    const logger = new JsonLogger('log', 'a');
    logger.error(new Error('thrown'), undefined, 'ExceptionHandler');
    logger.error(new Error('other'), undefined, 'Some');
    logger.isStarting = false;
    logger.error(new Error('late'), undefined, 'ExceptionHandler');
    expect(lines().map(({ message }) => message)).toEqual(['other', 'late']);
  });

  it('is written to through the loggers of Nest', () => {
    Logger.overrideLogger(new JsonLogger('warn', 'a'));
    const logger = new Logger('Some');
    logger.log('hidden');
    logger.warn('shown');
    Logger.overrideLogger(false);
    expect(lines()).toMatchObject([{ message: 'shown', node: 'a', context: 'Some' }]);
  });
});
