import { describe, expect, it } from '@jest/globals';

import { EnvironmentError, readEnvironment } from './environment.js';

/** The problems of an environment by name and remedy. */
function slipsIn(environment: Record<string, string>): [name: string, remedy: string][] {
  try {
    readEnvironment(environment);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems.map(({ key, remedy }) => [key, remedy]);
    throw error;
  }
  return [];
}

describe('Names that begin like a security variable, or nearly are one,', () => {
  it.each([
    ['JWT_SECRET_KEY', 'JWT_SECRET or JWT_SECRET_FILE'],
    ['JWT_SECRETS', 'JWT_SECRET'],
    ['JWTSECRET', 'JWT_SECRET'],
    ['JTW_SECRET', 'JWT_SECRET'],
    ['jwt_secret', 'JWT_SECRET'],
    ['Jwt_Secret', 'JWT_SECRET'],
    ['JWT_ISS', 'JWT_SECRET'],
    ['JWT_KEY', 'JWT_SECRET'],
    ['JWT', 'JWT_SECRET'],
    ['JWT_AUD', 'JWT_SECRET'],
    ['JWT_AUDIENCES', 'JWT_AUDIENCE'],
    ['JWT_MAX_AGE', 'JWT_MAX_AGE_S'],
    ['JWKS_URL', 'JWKS_FILE'],
    ['JWKS_URI', 'JWKS_FILE'],
    ['JWKS', 'JWKS_FILE'],
    ['JWK_FILE', 'JWKS_FILE'],
    ['JWK_URL', 'JWKS_FILE'],
    ['JWKS_PATH', 'JWKS_FILE'],
    ['ALLOW_ANON', 'ALLOW_ANONYMOUS'],
    ['ALLOW_ANONYMOUS_CLIENTS', 'ALLOW_ANONYMOUS'],
    ['ALOW_ANONYMOUS', 'ALLOW_ANONYMOUS'],
    ['ALLOWED_ORIGINS', 'ORIGINS'],
    ['ADMIN_TOKENS', 'ADMIN_TOKEN'],
    ['ADMIN_PASSWORD', 'ADMIN_TOKEN'],
    ['ADMIN_VIEWER', 'ADMIN_VIEWER_TOKEN'],
    ['ADMIN_VIEWER_TOKEN_FILE', 'ADMIN_VIEWER_TOKEN'],
    ['TRUSTED_PROXY', 'TRUSTED_PROXIES'],
    ['TRUSTED_PROXYS', 'TRUSTED_PROXIES'],
    ['TRUST_PROXY', 'TRUSTED_PROXIES'],
    ['TRUSTED', 'TRUSTED_PROXIES'],
    ['ORIGIN', 'ORIGINS'],
    ['ORIGINS_ALLOWED', 'ORIGINS'],
    ['ORIGIN_URL', 'ORIGINS'],
    ['REDIS', 'REDIS_URL'],
    ['REDIS_URI', 'REDIS_URL'],
    ['REDIS_HOST', 'REDIS_URL'],
    ['REDISURL', 'REDIS_URL'],
    ['redis_url', 'REDIS_URL'],
    ['METRIC_GUARDED', 'METRICS_GUARDED'],
    ['LIMIT_MAX_PER_IP', 'LIMITS_MAX_PER_IP'],
    ['LIMIT_UPGRADES_PER_SECOND', 'LIMITS_UPGRADES_PER_SECOND'],
    ['HOSTS_', 'HOSTS'],
  ])('stop the start: %s, with the name that was meant', (name, meant) => {
    const [[key, remedy] = ['', ''], ...more] = slipsIn({ [name]: 'geheim' });
    expect([key, more]).toEqual([name, []]);
    expect(remedy).toMatch(/^did you mean .+\?$/);
    expect(remedy).toContain(meant);
  });

  it.each([
    ['JWT_SECRET_KEY', ''],
    ['REDIS_PASSWORD', ''],
    ['ORIGIN', ' '],
  ])('stop it also where they are set to %j', (name, value) => {
    expect(slipsIn({ [name]: value }).map(([key]) => key)).toEqual([name]);
  });

  it.each([
    ['heartbeat_interval_ms', 'did you mean HEARTBEAT_INTERVAL_MS?'],
    ['Metrics_Guarded', 'did you mean METRICS_GUARDED?'],
  ])('as names of options do in lower case: %s', (name, remedy) => {
    expect(slipsIn({ [name]: 'true' })).toEqual([[name, remedy]]);
  });

  it.each([
    ['REDIS_SERVICE_HOST', '10.0.0.1'],
    ['REDIS_SERVICE_PORT', '6379'],
    ['REDIS_SERVICE_PORT_CLIENT', '6379'],
    ['REDIS_PORT', 'tcp://10.0.0.1:6379'],
    ['REDIS_PORT_6379_TCP', 'tcp://10.0.0.1:6379'],
    ['REDIS_PORT_6379_TCP_ADDR', '10.0.0.1'],
    ['REDIS_MASTER_PORT_6379_TCP_PROTO', 'tcp'],
    ['ADMIN_PORT', 'tcp://10.0.0.2:80'],
    ['ADMIN_SERVICE_PORT', '80'],
    ['JWT_ISSUER_SERVICE_HOST', '10.0.0.3'],
    ['ORIGIN_SERVICE_PORT_HTTP', '80'],
    ['TRUSTED_PORT_53_UDP', 'udp://10.0.0.4:53'],
  ])('are left alone where they are a service link: %s', (name, value) => {
    expect(slipsIn({ [name]: value })).toEqual([]);
  });

  it('are left alone where docker --link sets them', () => {
    const link = { REDIS_PORT: 'tcp://172.17.0.2:6379', REDIS_NAME: '/web/redis', REDIS_ENV_REDIS_VERSION: '7.4.1' };
    expect(slipsIn(link)).toEqual([]);
    expect(slipsIn({ ...link, REDIS_PORT: '6379' }).map(([key]) => key)).toEqual(Object.keys(link));
  });

  it.each([
    ['ORIGINAL_XDG_CURRENT_DESKTOP', 'GNOME'],
    ['REDISCLOUD_URL', 'redis://example'],
    ['DATABASE_URL', 'postgres://example'],
    ['AUTH_TOKEN', 'x'],
    ['NPM_TOKEN', 'x'],
    ['GITHUB_TOKEN', 'x'],
    ['SECRET_KEY_BASE', 'x'],
    ['TRUSTSTORE', '/etc/ssl'],
    ['ADMINISTRATOR', 'ann'],
    ['kill_timeout', '1600'],
    ['npm_config_cache', '/root/.npm'],
    ['SSL_CERT_FILE', '/etc/ssl/cert.pem'],
    ['HTTP_PROXY', 'http://proxy'],
    ['KUBERNETES_PORT', 'tcp://10.0.0.1:443'],
  ])('are not found in %s', (name, value) => {
    expect(slipsIn({ [name]: value })).toEqual([]);
  });
});

describe('A variable that is empty', () => {
  it.each(
    [
      'JWT_SECRET',
      'JWT_SECRET_FILE',
      'JWKS_FILE',
      'JWT_ISSUER',
      'JWT_AUDIENCE',
      'JWT_TYPE',
      'JWT_MAX_AGE_S',
      'ADMIN_TOKEN',
      'ADMIN_TOKEN_FILE',
      'ADMIN_VIEWER_TOKEN',
      'ALLOW_ANONYMOUS',
      'ALLOW_QUERY_TOKEN',
      'ORIGINS',
      'TRUSTED_PROXIES',
      'REDIS_URL',
      'METRICS_GUARDED',
      'LIMITS_MAX_PER_IP',
      'LIMITS_MAX_PER_USER',
      'LIMITS_UPGRADES_PER_SECOND',
      'LIMITS_MESSAGES_PER_SECOND',
    ].flatMap(name => ['', ' ', '\t', '\n'].map(value => [name, value])),
  )('stops the start where the server is less safe without it: %s=%j', (name, value) => {
    expect(slipsIn({ [name]: value })).toEqual([[name, 'set its value, or unset it']]);
  });

  it.each([
    'HOST',
    'PORT',
    'WS_PATH',
    'WORKERS',
    'LOG_LEVEL',
    'NODE_NAME',
    'HEARTBEAT_INTERVAL_MS',
    'LIMITS_MAX_CONNECTIONS',
  ])('counts as unset otherwise: %s', name => {
    expect(readEnvironment({ [name]: '' })).toMatchObject({ host: '127.0.0.1', port: 3000, wsPath: '/ws', workers: 1 });
  });

  it('is reported once, beside what else is wrong', () => {
    const environment = {
      REDIS_URL: 'redis://localhost',
      ADMIN_TOKEN: '',
      JWT_SECRET: '',
      ALLOW_ANONYMOUS: 'false',
      PORT: 'x',
    };
    expect(slipsIn(environment).map(([key]) => key)).toEqual(['ADMIN_TOKEN', 'JWT_SECRET', 'PORT']);
  });
});
