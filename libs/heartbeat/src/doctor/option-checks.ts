import { type Check, detectionMs, longestIntervalMs } from './node-facts.js';
import { ok, finding } from './finding.js';
import { seconds } from './system-reader.js';

/** The default idle timeout of nginx (`proxy_read_timeout`), AWS' balancers and many other proxies. */
const PROXY_IDLE_MS = 60_000;
/** The delay of a ping on a busy node and in the network. */
const PING_MARGIN_MS = 5000;
/** Shorter tokens can be guessed. */
const TOKEN_CHARACTERS = 16;
/** The first release in which a client that sends pings and does not read can no longer fill the memory. */
const SAFE_WS = [8, 23, 0] as const;

export const proxyIdle: Check = ({ options }) => {
  const subject = {
    id: 'proxy-idle',
    title: 'Heartbeat against idle timeouts of proxies',
    why: 'Proxies cut a connection that was silent for their idle timeout, mostly 60 s; clients then see 1006 every minute.',
  };
  const longestMs = longestIntervalMs(options.heartbeat);
  const evidence =
    `an idle connection is pinged at least every ${seconds(longestMs)}, a dead one is found within ` +
    `${seconds(detectionMs(options.heartbeat))}; common proxies wait for ${seconds(PROXY_IDLE_MS)}`;
  if (longestMs + PING_MARGIN_MS <= PROXY_IDLE_MS) return ok(subject, evidence);
  const option = options.heartbeat.adaptive ? 'maxIntervalMs' : 'intervalMs';
  const remedy = `Set heartbeat.${option} to at most ${PROXY_IDLE_MS - PING_MARGIN_MS}, or raise the proxy's timeout above ${seconds(longestMs + PING_MARGIN_MS)} (nginx: proxy_read_timeout).`;
  return finding('warn', subject, evidence, remedy);
};

export const proxyHeader: Check = ({ options, proxyHeaderSeen }) => {
  const subject = {
    id: 'proxy-header',
    title: 'Addresses of clients behind a proxy',
    why: 'Without trustedProxies the proxy counts as the client: all clients share its limits, bans and lines in the log.',
  };
  const { trustedProxies, limits } = options;
  const believed =
    trustedProxies.length === 0 ? 'trustedProxies is empty' : `trustedProxies is ${trustedProxies.join(', ')}`;
  const all = trustedProxies.find(network => network.endsWith('/0'));
  if (all !== undefined) {
    const evidence = `${believed}; ${all} matches every address`;
    return finding('warn', subject, evidence, 'Name the proxies only: a trusted peer may claim any address.');
  }
  if (trustedProxies.length > 0) return ok(subject, believed);
  if (proxyHeaderSeen === null) {
    const remedy = 'If clients come through a proxy, set trustedProxies to its addresses.';
    return finding('info', subject, `${believed}; only a running node sees the header of a proxy`, remedy);
  }
  if (!proxyHeaderSeen) return ok(subject, `${believed}; no X-Forwarded-For or Forwarded was seen so far`);
  const limited = limits.maxPerIp > 0 || limits.upgradesPerSecondPerIp > 0;
  const evidence = `${believed}; X-Forwarded-For or Forwarded was seen; limits by address are ${limited ? 'on' : 'off'}`;
  const remedy = 'Set trustedProxies to the addresses of the proxies, such as 10.0.0.0/8.';
  return finding(limited ? 'error' : 'warn', subject, evidence, remedy);
};

export const adminTokens: Check = ({ options }) => {
  const subject = {
    id: 'admin-tokens',
    title: 'Admin tokens',
    why: 'Without a token, and without a guard of the app’s own (adminGuard), every admin route responds 401. A short token can be guessed.',
  };
  const { tokens } = options.admin;
  const count = tokens.length === 1 ? '1 admin token is' : `${tokens.length} admin tokens are`;
  const evidence = `${tokens.length === 0 ? 'no admin token is' : count} configured`;
  const make = 'Make one with `openssl rand -base64 24`';
  if (tokens.length === 0) return finding('warn', subject, evidence, `${make} and set admin.tokens.`);
  const short = tokens.filter(({ token }) => token.length < TOKEN_CHARACTERS).map(({ name }) => name);
  if (short.length === 0) return ok(subject, evidence);
  const named = `${evidence}; shorter than ${TOKEN_CHARACTERS} characters: ${short.join(', ')}`;
  return finding('warn', subject, named, `${make} for each of them.`);
};

export const wsVersion: Check = ({ system }) => {
  const wanted = SAFE_WS.join('.');
  const subject = {
    id: 'ws-version',
    title: 'Version of ws',
    why: `Before ${wanted}, one client that sends pings and does not read can fill the memory; this library limits it, other servers of the app are open to it.`,
  };
  const version = system.packageVersion('ws');
  if (version === null) {
    return finding(
      'info',
      subject,
      'the version of ws cannot be read here',
      `Make sure that it is ${wanted} or newer.`,
    );
  }
  const evidence = `ws is ${version}`;
  if (isAtLeast(version, SAFE_WS)) return ok(subject, evidence);
  const remedy = `\`npm install ws@^${wanted}\`, with "overrides": { "ws": "$ws" } in package.json so that no other copy stays.`;
  return finding('error', subject, evidence, remedy);
};

/** Reported whenever pings are skipped: only the operator knows which clients there are. */
export const pingsAsLife: Check = ({ options }) => {
  const subject = {
    id: 'pings-as-life',
    title: 'Clients that wait for pings',
    why:
      'A client with a timer that only pings reset, as in the README of ws, ends its connection while it is active: with ' +
      'heartbeat.skipWhenActive a connection that sent anything within the interval is not pinged.',
  };
  const longestMs = longestIntervalMs(options.heartbeat);
  const evidence = `heartbeat.skipWhenActive is ${options.heartbeat.skipWhenActive}; pings come at most ${seconds(longestMs)} apart where they are not skipped`;
  if (!options.heartbeat.skipWhenActive) return ok(subject, evidence);
  const remedy = `If there are such clients, set heartbeat.skipWhenActive to false and their timer above ${seconds(longestMs + PING_MARGIN_MS)}, or let them reset it at every message.`;
  return finding('info', subject, evidence, remedy);
};

/** A pre-release is older than its release. */
function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const [numbers = '', ...pre] = version.split('-');
  const parts = numbers.split('.').map(Number);
  const place = wanted.findIndex((number, index) => parts[index] !== number);
  return place === -1 ? pre.length === 0 : (parts[place] ?? 0) > wanted[place]!;
}
