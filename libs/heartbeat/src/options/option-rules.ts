import { CronTime } from 'cron';
import { z } from 'zod';

import { CloseCodes } from '../protocol/close-code.js';
import { isHostEntry } from '../base/host-names.js';
import { isTrustedProxy } from '../base/network-address.js';
import { isOriginEntry } from '../base/origin.js';

/** The longest delay of Node's timers. */
const MAX_MS = 2 ** 31 - 1;
/** The longest message that fits into a V8 string with a wide margin. */
const MAX_BYTES = 256 * 1024 * 1024;

/** The message of each check is the rule itself, so that one text covers a wrong type and a wrong size. */
const whole = (min: number, max: number, unit: string) => {
  const rule = `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.number(rule).int(rule).min(min, rule).max(max, rule);
};
const milliseconds = (min: number) => whole(min, MAX_MS, 'milliseconds');
const share = (least = 0) => {
  const rule = `must be a number from ${least} to 1`;
  return z.number(rule).min(least, rule).max(1, rule);
};
const flag = () => z.boolean('must be true or false');
const words = (max: number) => {
  const rule = `must be a text of 1 to ${max} characters`;
  return z.string(rule).min(1, rule).max(max, rule);
};
const oneOf = <const Words extends readonly [string, ...string[]]>(...allowed: Words) =>
  z.enum(allowed, `must be ${allowed.map(word => JSON.stringify(word)).join(' or ')}`);
const prefixRule = 'must be a prefix of Prometheus metric names: letters, digits, "_" and ":", no digit first';
const originRule =
  'must be "same-host" or a list such as "https://app.example.com" and "capacitor://localhost": each with scheme, host and port only; ' +
  '"https://*.example.com" allows each subdomain of one label, "null" every page of opaque origin, "*" all';
const hostRule = 'must be a list of host names such as "app.example.com", without scheme, port and wildcard';
const networkRule = 'must be a list of addresses and CIDRs such as "10.0.0.0/8", and "unix:" for a Unix socket';
const tokenRule = 'must be a text of 1 to 1024 characters, printable ASCII without blanks, as it goes into a header';
const redisUrlRule = 'must be a URL such as "redis://127.0.0.1:6379", or "rediss://" for TLS';
const namespaceRule = 'must be a text of 1 to 100 letters, digits, "_", "-", "." and ":"';
const closeCodeRule = `must be ${CloseCodes.tryAgainLater.code} or ${CloseCodes.overloaded.code}`;
const nodeNameRule = 'must be a text of 1 to 200 letters, digits, "_", "-" and "."';
const cronRule = 'must be a cron expression of five or six fields, such as "*/10 * * * * *"';

export const optionsSchema = group({
  heartbeat: group({
    // One tick is 50 ms; a shorter interval than a few ticks could not be kept.
    intervalMs: milliseconds(200),
    minIntervalMs: milliseconds(200),
    maxIntervalMs: milliseconds(200),
    adaptive: flag(),
    pongTimeoutMs: milliseconds(50),
    // Each missed pong may be found one tick late. More ticks would exceed the second of tolerance in the guarantee.
    missedPongs: whole(1, 10, 'pings'),
    skipWhenActive: flag(),
    event: words(100),
  }),
  reaper: group({
    cron: z.string(cronRule).refine(hasNextRun, cronRule),
    idleTimeoutMs: milliseconds(0),
    maxLifetimeMs: milliseconds(0),
    lifetimeJitter: share(),
    identifyTimeoutMs: milliseconds(1),
  }),
  limits: group({
    maxConnections: whole(1, 10_000_000, 'connections'),
    maxPerIp: whole(0, 10_000_000, 'connections'),
    ipv6PrefixBits: whole(1, 128, 'bits'),
    maxPerUser: whole(0, 10_000_000, 'connections'),
    onUserLimit: oneOf('refuse', 'replace-oldest'),
    upgradesPerSecond: whole(0, 1_000_000, 'upgrades'),
    upgradesPerSecondPerIp: whole(0, 1_000_000, 'upgrades'),
    handshakeTimeoutMs: milliseconds(1),
    maxMessageBytes: whole(1, MAX_BYTES, 'bytes'),
    maxFragments: whole(1, 1_000_000, 'fragments'),
    messageTimeoutMs: milliseconds(0),
    maxInFlight: whole(1, 1_000_000, 'handlers'),
    maxStreams: whole(1, 1_000_000, 'streams'),
    messagesPerSecond: whole(0, 1_000_000, 'messages'),
    pingsPerSecond: whole(0, 1_000_000, 'pings'),
    refuseWith: oneOf('http', 'close'),
  }),
  backpressure: group({
    maxBufferedBytes: whole(1, Number.MAX_SAFE_INTEGER, 'bytes'),
    maxTotalBufferedBytes: whole(1, Number.MAX_SAFE_INTEGER, 'bytes'),
    minDrainBytesPerSecond: whole(0, Number.MAX_SAFE_INTEGER, 'bytes'),
    slowAfterMs: milliseconds(1),
    policy: oneOf('close', 'drop-newest'),
  }),
  tcp: group({ keepAlive: flag(), keepAliveDelayMs: milliseconds(0), noDelay: flag() }),
  load: group({
    // A level is left 0.1 below its mark, and that must be above the ratio of an idle node.
    refuseAbove: share(0.2),
    shedAbove: share(0.2),
    closeCode: z.literal([CloseCodes.tryAgainLater.code, CloseCodes.overloaded.code], closeCodeRule),
    source: group({ eventLoop: flag(), heap: flag(), memory: flag(), cpu: flag() }),
  }),
  metrics: group({
    guarded: flag(),
    prefix: z.string(prefixRule).regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, prefixRule),
    registry: z.custom(
      value => typeof (value as { metrics?: unknown })?.metrics === 'function',
      'must be a registry of prom-client',
    ),
  }),
  origins: z.union(
    [z.literal('same-host'), z.array(z.string(originRule).refine(isOriginEntry, originRule), originRule)],
    originRule,
  ),
  hosts: z.array(z.string(hostRule).refine(isHostEntry, hostRule), hostRule),
  trustedProxies: z.array(z.string(networkRule).refine(isTrustedProxy, networkRule), networkRule),
  authenticate: z.custom(value => typeof value === 'function', 'must be a function (request, signal) => identity'),
  drain: group({
    readinessDelayMs: milliseconds(0),
    spreadMs: milliseconds(0),
    closeTimeoutMs: milliseconds(1),
    deadlineMs: milliseconds(1),
    returnWindowMs: milliseconds(0),
  }),
  admin: group({
    tokens: z
      .array(
        z.strictObject(
          {
            token: z.string(tokenRule).regex(/^[!-~]{1,1024}$/, tokenRule),
            role: oneOf('viewer', 'operator'),
            name: words(100),
          },
          'must be { token, role, name }',
        ),
        'must be a list of { token, role, name }',
      )
      .refine(
        tokens => new Set(tokens.map(({ token }) => token)).size === tokens.length,
        'must not hold the same token twice',
      ),
  }),
  health: group({ notReadyAtCapacity: flag() }),
  cluster: group({
    redisUrl: z.string(redisUrlRule).refine(isRedisUrl, redisUrlRule),
    client: z.custom(
      value => typeof (value as { duplicate?: unknown })?.duplicate === 'function',
      'must be a client of @redis/client: one that createClient, createSentinel or createCluster made',
    ),
    nodeName: z.string(nodeNameRule).regex(/^[\w.-]{1,200}$/, nodeNameRule),
    namespace: z.string(namespaceRule).regex(/^[\w.:-]{1,100}$/, namespaceRule),
    leaseMs: milliseconds(1),
    requestTimeoutMs: milliseconds(1),
  }),
  closedHistory: whole(0, 1_000_000, 'connections'),
});

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, username, password } = new URL(text);
  // The path is the number of a database. A wrong encoding would stop the client.
  return (
    /^rediss?:$/.test(protocol) && hostname !== '' && /^(\/\d*)?$/.test(pathname) && isEncoded(username + password)
  );
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the text is a cron expression that matches some date: the 31st of February never does. */
function hasNextRun(expression: string): boolean {
  try {
    return new CronTime(expression).getNextDateFrom(new Date()).isValid;
  } catch {
    return false;
  }
}

/** A group of options. Each key may be left out, and other keys are rejected. */
function group<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, 'must be an object of options').partial();
}
