import { describe, expect, it } from '@jest/globals';
import { DEFAULTS, resolveOptions } from 'nestjs-heartbeat/tooling';

import { EnvironmentError, readEnvironment } from './environment.js';
import { OPTION_VARIABLES } from './option-variables.js';

const DO = 'a-token-for-operators';
const SEE = 'a-token-for-viewers';

function problemsOf(environment: NodeJS.ProcessEnv) {
  try {
    readEnvironment(environment);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
  return [];
}

function messageOf(environment: NodeJS.ProcessEnv): string {
  expect(() => readEnvironment(environment)).toThrow(EnvironmentError);
  try {
    readEnvironment(environment);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('readEnvironment', () => {
  it('has defaults for everything', () => {
    expect(readEnvironment({})).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      wsPath: '/ws',
      workers: 1,
      logLevel: 'log',
      logFormat: 'text',
    });
  });

  it('makes an operator’s token where none is given, another one each time', () => {
    const [first, second] = [readEnvironment({}), readEnvironment({ LOG_LEVEL: '' })];
    expect(first.generatedToken).toMatch(/^[\w-]{32}$/);
    expect(first.options.admin?.tokens).toEqual([{ token: first.generatedToken, role: 'operator', name: 'operator' }]);
    expect(second.generatedToken).not.toBe(first.generatedToken);
  });

  it('takes the tokens that are given', () => {
    const { options, generatedToken } = readEnvironment({ ADMIN_TOKEN: DO, ADMIN_VIEWER_TOKEN: SEE });
    expect(generatedToken).toBeNull();
    expect(options.admin?.tokens).toEqual([
      { token: DO, role: 'operator', name: 'operator' },
      { token: SEE, role: 'viewer', name: 'viewer' },
    ]);
  });

  it('reads its own variables', () => {
    const environment = { HOST: '::', PORT: '0', WS_PATH: '/live/ws', LOG_LEVEL: 'info', LOG_FORMAT: 'json' };
    const settings = { host: '::', port: 0, wsPath: '/live/ws', logLevel: 'log', logFormat: 'json' };
    expect(readEnvironment(environment)).toMatchObject(settings);
  });

  it('reads options of each type', () => {
    const { options } = readEnvironment({
      HEARTBEAT_INTERVAL_MS: '20000',
      HEARTBEAT_SKIP_WHEN_ACTIVE: 'false',
      REAPER_CRON: '* * * * *',
      DRAIN_SPREAD_MS: '250',
      REAPER_LIFETIME_JITTER: '0.25',
      NODE_NAME: 'n1',
      CLOSED_HISTORY: '5',
    });
    expect(options).toMatchObject({
      heartbeat: { intervalMs: 20_000, skipWhenActive: false },
      reaper: { cron: '* * * * *', lifetimeJitter: 0.25 },
      drain: { spreadMs: 250 },
      cluster: { nodeName: 'n1' },
      closedHistory: 5,
    });
  });

  it('has a variable for each option, which brings back the default', () => {
    // An empty list has no text: an empty variable is none, or an error.
    const withDefault = OPTION_VARIABLES.filter(({ standard }) => standard !== undefined && !Array.isArray(standard));
    const environment = Object.fromEntries(withDefault.map(({ name, standard }) => [name, String(standard)]));
    const { options } = readEnvironment({ ...environment, ADMIN_TOKEN: DO });
    expect({ ...resolveOptions(options), admin: DEFAULTS.admin }).toEqual(DEFAULTS);
  });

  it.each([['PATH'], ['HEART'], ['LOG_LEVELS'], ['NODE_ENV'], ['REAPER'], ['npm_config_cache']])('ignores %s', name => {
    expect(problemsOf({ [name]: 'x' })).toEqual([]);
  });

  it.each([
    ['HEARTBEAT_SERVICE_HOST', '10.0.0.1'],
    ['HEARTBEAT_SERVICE_PORT', '3000'],
    ['HEARTBEAT_SERVICE_PORT_HTTP', '3000'],
    ['HEARTBEAT_PORT', 'tcp://10.0.0.1:3000'],
    ['HEARTBEAT_PORT_3000_TCP', 'tcp://10.0.0.1:3000'],
    ['HEARTBEAT_SERVER_PORT_3000_TCP_ADDR', '10.0.0.1'],
  ])('leaves %s to Kubernetes, which sets it for a service of this name', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([]);
  });

  it.each([
    ['PORT', '65536', 'must be a whole number from 0 to 65535'],
    ['PORT', '-1', 'must be a whole number from 0 to 65535'],
    ['PORT', '3000x', 'must be a whole number from 0 to 65535'],
    ['WORKERS', '0', 'must be a whole number from 1 to 256'],
    ['WORKERS', '257', 'must be a whole number from 1 to 256'],
    ['WORKERS', 'max', 'must be a whole number from 1 to 256'],
    ['CLUSTER_LEASE_MS', 'long', 'must be a whole number of milliseconds from 1 to 2147483647'],
    ['WS_PATH', 'ws', 'must be a path: a "/" first, none at its end, printable ASCII, no space, "?" or "#"'],
    ['LOG_LEVEL', 'loud', 'must be one of verbose, debug, log, info, warn, error, fatal'],
    ['LOG_FORMAT', 'xml', 'must be text or json'],
    ['HEARTBEAT_INTERVAL_MS', 'soon', 'must be a whole number of milliseconds from 200 to 2147483647'],
    ['HEARTBEAT_INTERVAL_MS', '1e5', 'must be a whole number of milliseconds from 200 to 2147483647'],
    ['HEARTBEAT_SKIP_WHEN_ACTIVE', 'yes', 'must be true or false'],
    ['CLOSED_HISTORY', '-1', 'must be a whole number of connections from 0 to 1000000'],
    ['NODE_NAME', 'a b', 'must be a text of 1 to 200 letters, digits, "_", "-" and "."'],
    ['NODE_NAME', '../web', 'must be a text of 1 to 200 letters, digits, "_", "-" and "."'],
    ['NODE_NAME', 'n'.repeat(201), 'must be a text of 1 to 200 letters, digits, "_", "-" and "."'],
  ])('refuses %s=%s', (key, value, rule) => {
    expect(problemsOf({ [key]: value })).toEqual([expect.objectContaining({ key, rule })]);
  });

  it.each([
    ['ADMIN_PORT', 'x', 'correct it, or unset it'],
    ['PORT', 'x', 'correct it, or leave it out for 3000'],
    ['HOSTS', 'app.example.com:443', 'correct it, or leave HOSTS out for every name'],
    ['ORIGINS', 'https://*.com', 'correct it, or leave ORIGINS out for "same-host"'],
    ['TRUSTED_PROXIES', 'loopback', 'correct it, or leave TRUSTED_PROXIES out for no trusted proxy'],
  ])('names the default of %s in words', (key, value, remedy) => {
    const [problem] = problemsOf({ [key]: value });
    expect(problem).toMatchObject({ key, remedy });
    // A word of the language is no name of an option.
    expect(problem?.rule).not.toMatch(/[A-Z]{2,}S\b/);
  });

  it('names variables where the library names options', () => {
    expect(messageOf({ HEARTBEAT_INTERVAL_MS: '15000', HEARTBEAT_PONG_TIMEOUT_MS: '15000' })).toBe(
      'The server cannot start, a variable is wrong:\n' +
        '  - HEARTBEAT_PONG_TIMEOUT_MS is 15000 but must be below HEARTBEAT_MIN_INTERVAL_MS (15000): lower it, or raise HEARTBEAT_MIN_INTERVAL_MS',
    );
  });

  it('requires a configured token beside REDIS_URL', () => {
    expect(messageOf({ REDIS_URL: 'redis://localhost' })).toContain(
      'ADMIN_TOKEN is "(not set)" but must be set where REDIS_URL is, since each node would make another one',
    );
    const { options, workers } = readEnvironment({ REDIS_URL: 'redis://localhost', ADMIN_TOKEN: DO, WORKERS: '4' });
    expect(options.cluster).toEqual({ redisUrl: 'redis://localhost' });
    expect(workers).toBe(4);
  });

  it('takes a port for the admin API that is not PORT', () => {
    expect([readEnvironment({}).adminPort, readEnvironment({ ADMIN_PORT: '9000' }).adminPort]).toEqual([null, 9000]);
    expect(readEnvironment({ PORT: '0', ADMIN_PORT: '0' }).adminPort).toBe(0);
    expect(messageOf({ PORT: '9000', ADMIN_PORT: '9000' })).toContain('ADMIN_PORT is 9000 but must differ from PORT');
    for (const text of ['65536', '-1', 'x', '1.5'])
      expect(messageOf({ ADMIN_PORT: text })).toContain(
        `ADMIN_PORT is "${text}" but must be a whole number from 0 to 65535`,
      );
    expect(messageOf({ ADMIN_PORT: '' })).toContain('ADMIN_PORT is "" but must not be empty');
    expect(readEnvironment({ ADMIN_PORT: 'tcp://10.0.0.7:80' }).adminPort).toBeNull();
  });

  it('requires REDIS_URL beside WORKERS, and nothing beside one worker', () => {
    expect(messageOf({ WORKERS: '2' })).toContain('WORKERS is 2 but needs REDIS_URL');
    expect(problemsOf({ WORKERS: '1' })).toEqual([]);
  });

  it('shows no REDIS_URL, which may hold a password', () => {
    const message = messageOf({ REDIS_URL: 'http://:geheim@localhost', ADMIN_TOKEN: DO });
    expect(message).toMatch(/REDIS_URL is "\(hidden\)" but must be a URL such as /);
    expect(message).not.toContain('geheim');
  });

  it('lists every problem at once', () => {
    const environment = { PORT: 'x', LIMITS_MAX_CONNECTIONS: '0', DRAIN_SPREAD_MS: '90000', REAPER_CRONN: 'x' };
    const keys = ['PORT', 'REAPER_CRONN', 'LIMITS_MAX_CONNECTIONS', 'DRAIN_DEADLINE_MS'];
    expect(problemsOf(environment).map(({ key }) => key)).toEqual(keys);
  });

  it.each([
    ['HEARTBEAT_INTERVALL_MS', 'did you mean HEARTBEAT_INTERVAL_MS?'],
    ['CLUSTER_NODE_NAME', 'did you mean NODE_NAME?'],
    ['LIMITS_COLOUR', 'correct the name, or unset it'],
    ['HEARTBEAT_PORT', 'correct the name, or unset it'],
  ])('takes %s for a slip', (key, remedy) => {
    expect(problemsOf({ [key]: 'x' })).toEqual([expect.objectContaining({ key, remedy })]);
  });

  it.each([
    [{ ADMIN_TOKENS: 'geheim' }],
    [{ ADMIN_TOKEN: 'geheim', ADMIN_VIEWER_TOKEN: 'geheim' }],
    [{ ADMIN_TOKEN: 'geheim'.repeat(3), ADMIN_VIEWER_TOKEN: 'geheim'.repeat(3) }],
    [{ ADMIN_PASSWORD: 'geheim' }],
    [{ ADMIN_TOKEN: 'geheim'.repeat(200) }],
  ])('shows no token in a message', environment => {
    expect(messageOf(environment)).toContain('ADMIN_');
    expect(messageOf(environment)).not.toContain('geheim');
  });
});
