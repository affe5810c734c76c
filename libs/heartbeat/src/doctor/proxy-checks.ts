import { UNIX_PEER } from '../base/network-address.js';
import type { Check } from './node-facts.js';
import { ok, finding } from './finding.js';

export const unixSocket: Check = ({ options, unixPeerSeen }) => {
  const subject = {
    id: 'unix-socket',
    title: 'Addresses of clients behind a Unix socket',
    why: `A Unix socket has no addresses: without "${UNIX_PEER}" in trustedProxies all of its clients share the limits by address.`,
  };
  const { trustedProxies, limits } = options;
  if (trustedProxies.includes(UNIX_PEER)) return ok(subject, `trustedProxies names "${UNIX_PEER}"`);
  const evidence = `trustedProxies lacks "${UNIX_PEER}"`;
  if (unixPeerSeen !== true) return ok(subject, `${evidence}; no client came through a Unix socket so far`);
  const limited = limits.maxPerIp > 0 || limits.upgradesPerSecondPerIp > 0;
  return finding(
    limited ? 'error' : 'warn',
    subject,
    `${evidence}; clients came through a Unix socket; limits by address are ${limited ? 'on' : 'off'}`,
    `Add "${UNIX_PEER}" to trustedProxies, and let the proxy send X-Forwarded-For.`,
  );
};

export const refuseWith: Check = ({ options, proxyHeaderSeen, unixPeerSeen }) => {
  const subject = {
    id: 'refuse-with',
    title: 'Refusals behind a balancer',
    why: 'A balancer sends a client to another node after a 503 only. After a finished upgrade and a close code the client is refused, though another node has room.',
  };
  const { limits, trustedProxies } = options;
  const evidence = `limits.refuseWith is ${limits.refuseWith}`;
  if (limits.refuseWith === 'http') return ok(subject, evidence);
  if (trustedProxies.length > 0) {
    return ok(
      subject,
      `${evidence}; behind the proxies of trustedProxies what another node could serve is refused with 503 by HTTP`,
    );
  }
  const isBehindProxy = proxyHeaderSeen === true || unixPeerSeen === true;
  return finding(
    isBehindProxy ? 'warn' : 'info',
    subject,
    `${evidence}, trustedProxies is empty${isBehindProxy ? '; a proxy was seen' : ''}`,
    'If clients come through a balancer, set trustedProxies to its addresses: draining, overloaded, full and starting nodes then answer 503.',
  );
};
