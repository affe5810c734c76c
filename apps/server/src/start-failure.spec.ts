import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HeartbeatError } from 'nestjs-heartbeat';
import { VERSION } from 'nestjs-heartbeat/tooling';

import { EnvironmentError } from './environment.js';
import { JsonLogger } from './json-logger.js';
import { ListenError } from './listen-failure.js';
import { reportFailure } from './start-failure.js';

const JSON_WANTED = { LOG_FORMAT: 'json' };
let written = '';

beforeEach(() => {
  written = '';
  jest.spyOn(process.stderr, 'write').mockImplementation(text => {
    written += String(text);
    return true;
  });
  jest.spyOn(console, 'error').mockImplementation((value: unknown) => {
    written += `${value instanceof Error ? value.stack : String(value)}\n`;
  });
});
afterEach(() => void jest.restoreAllMocks());

/** The output, which must be one line of JSON. */
function line(): Record<string, unknown> {
  expect(written).toMatch(/^[^\n]+\n$/);
  return JSON.parse(written) as Record<string, unknown>;
}

const problem = { key: 'PORT', value: '1e3', rule: 'must be a whole number', remedy: 'correct it' };
const withCode = Object.assign(new Error('no file'), { code: 'ENOENT' });
const withCause = new Error('outer', { cause: new Error('inner') });
const stack = expect.stringMatching(/\n +at /);

describe('reportFailure', () => {
  it.each<[string, unknown, object]>([
    [
      'one variable',
      new EnvironmentError([problem]),
      {
        message: 'The server cannot start, a variable is wrong',
        error: { name: 'EnvironmentError' },
        problems: [problem],
      },
    ],
    [
      'several variables',
      new EnvironmentError([problem, { ...problem, key: 'HOST', value: undefined }]),
      { message: 'The server cannot start, 2 variables are wrong', problems: [{ key: 'PORT' }, { key: 'HOST' }] },
    ],
    [
      'a port in use',
      new ListenError('the port is in use', 'EADDRINUSE'),
      { message: 'the port is in use', error: { name: 'ListenError', code: 'EADDRINUSE' } },
    ],
    [
      'an error of the library',
      new HeartbeatError('HEARTBEAT_BAD_OPTIONS', 'bad options', [{ ...problem, value: () => 1 }]),
      {
        message: 'bad options',
        error: { name: 'HeartbeatError', code: 'HEARTBEAT_BAD_OPTIONS' },
        problems: [{ key: 'PORT', rule: problem.rule }],
      },
    ],
    ['an unknown error', new TypeError('x\ny'), { message: 'x\ny', error: { name: 'TypeError', stack } }],
    ['an error of the system', withCode, { message: 'no file', error: { code: 'ENOENT', stack } }],
    ['an error with a cause', withCause, { error: { cause: { message: 'inner', stack } } }],
    ['a text that was thrown', 'out\n of order', { message: "The server cannot start: 'out\\n of order'" }],
    ['nothing that was thrown', undefined, { message: 'The server cannot start: undefined' }],
  ])('is one line of JSON: %s', (_what, error, expected) => {
    reportFailure(error, JSON_WANTED, null);
    const { node, ...rest } = line();
    expect(node).toBeUndefined();
    expect(rest).toMatchObject({ level: 'fatal', context: 'Server', version: VERSION, ...expected });
  });

  it.each(['log', 'error', 'fatal'] as const)('names the node that the logger knows, at the level %s', level => {
    reportFailure(new Error('x'), JSON_WANTED, new JsonLogger(level, 'a-0123abcd'));
    expect(line()).toMatchObject({ node: 'a-0123abcd', message: 'x' });
  });

  it.each([undefined, '', 'text', 'JSON', 'xml'])('is text where LOG_FORMAT is %j', format => {
    const environment = format === undefined ? {} : { LOG_FORMAT: format };
    reportFailure(new ListenError('the port is in use', 'EADDRINUSE'), environment, null);
    expect(written).toBe('the port is in use\n');
    reportFailure(new TypeError('unknown'), environment, null);
    expect(written).toMatch(/\nTypeError: unknown\n +at /);
  });

  it('is one line for an error of the bootstrap that Nest writes too', async () => {
    @Injectable()
    class Lonely {
      constructor(@Inject('MISSING') readonly missing: unknown) {}
    }
    @Module({ providers: [Lonely] })
    class Broken {}
    const logger = new JsonLogger('warn', 'a');
    const error: unknown = await NestFactory.createApplicationContext(Broken, { logger, abortOnError: false }).catch(
      (reason: unknown) => reason,
    );
    reportFailure(error, JSON_WANTED, logger);
    expect(line()).toMatchObject({
      level: 'fatal',
      message: expect.stringContaining("can't resolve dependencies of the Lonely"),
      error: { stack },
    });
  });
});
