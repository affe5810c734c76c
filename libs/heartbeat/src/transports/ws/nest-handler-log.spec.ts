import { beforeEach, describe, expect, it } from '@jest/globals';

import { type ArgumentsHost, Logger } from '@nestjs/common';
import { BaseWsExceptionFilter, WsException } from '@nestjs/websockets';

import { SystemClock } from '../../base/clock.js';
import { LimitedLogger } from '../../base/limited-logger.js';
import { limitHandlerLog } from './nest-handler-log.js';

const lines: string[] = [];
const keep = (line: unknown) => void lines.push(String(line));
Logger.overrideLogger({ log: keep, warn: keep, error: keep, debug: () => undefined });

const host = {
  switchToWs: () => ({
    getClient: () => ({ readyState: 1, send: () => undefined }),
    getPattern: () => 'x',
    getData: () => 1,
  }),
} as unknown as ArgumentsHost;

/** Nest's handling of an exception of a handler. */
const handled = (exception: unknown) => new BaseWsExceptionFilter().catch(exception, host);
const alpha = (text: string) => new TypeError(text);
const beta = (text: string) => new RangeError(text);

beforeEach(() => {
  lines.length = 0;
});

describe('limitHandlerLog', () => {
  it('still finds the field of Nest', () => {
    handled(alpha('one'));
    handled(alpha('two'));
    expect(lines).toHaveLength(2);
  });

  it('limits Nest’s lines by the place that threw', () => {
    const log = new LimitedLogger('Heartbeat', new SystemClock());
    const unlimit = limitHandlerLog(log);
    for (let i = 0; i < 200; i++) {
      handled(alpha(`bad ${i}\nforged line`));
      handled(beta(`worse ${i}\n    at forged${i} (x.js:1:1)`));
      handled(new WsException('refused'));
    }
    unlimit();
    log.close();
    expect(lines).toEqual([
      expect.stringMatching(/^a message handler failed at alpha: TypeError: bad 0\\nforged line$/),
      expect.stringMatching(/^a message handler failed at beta: RangeError: worse 0\\n {4}at forged0 \(x\.js:1:1\)$/),
      'a message handler failed at alpha: 199 more in 60 s, not shown',
      'a message handler failed at beta: 199 more in 60 s, not shown',
    ]);
  });

  it.each([[undefined], ['a text\n    at x'], [Symbol('s')], [Object.create(null)]])(
    'accepts %p as a thrown value',
    thrown => {
      const log = new LimitedLogger('Heartbeat', new SystemClock());
      const unlimit = limitHandlerLog(log);
      expect(() => handled(thrown)).not.toThrow();
      unlimit();
      log.close();
      expect(lines).toEqual([expect.stringMatching(/^a message handler failed(: [^\n]*)?$/)]);
    },
  );

  it('restores Nest’s logger after the last application of the process', () => {
    const logs = [1, 2].map(() => new LimitedLogger('Heartbeat', new SystemClock()));
    const [first, second] = logs.map(log => limitHandlerLog(log));
    first!();
    for (let i = 0; i < 3; i++) handled(alpha('one'));
    second!();
    for (let i = 0; i < 3; i++) handled(alpha('one'));
    for (const log of logs) log.close();
    expect(lines).toHaveLength(1 + 3 + 1);
  });
});
