import { networkMatcher, plainAddress } from '../base/network-address.js';
import type { Check } from './node-facts.js';
import { ok, finding } from './finding.js';

const isLoopbackAddress = networkMatcher(['127.0.0.0/8', '::1']);

export const anonymousClients: Check = ({ options, listensOn = null }) => {
  const subject = {
    id: 'anonymous-clients',
    title: 'Identity of clients',
    why: 'A client that is admitted without an identity has no user: bans and limits by user have no effect on it.',
  };
  if (options.identityFromRequest !== undefined) return ok(subject, 'identityFromRequest is set');
  const isSet = options.authenticate !== undefined;
  if (isSet && options.authenticate.admitsAnonymous !== true) return ok(subject, 'authenticate is set');
  const cause = isSet ? 'anonymous clients are admitted beside those with an identity' : 'authenticate is not set';
  if (listensOn === null) return ok(subject, `${cause}; the address of the server is unknown here`);
  const evidence = `${cause}; the server listens on ${listensOn}`;
  if (isLoopback(listensOn)) return ok(subject, evidence);
  const remedy = isSet
    ? 'Refuse clients without an identity (here: unset ALLOW_ANONYMOUS), unless anonymous clients are meant.'
    : 'Set authenticate, or listen on 127.0.0.1 for this machine alone.';
  return finding('warn', subject, evidence, remedy);
};

export const hostNames: Check = ({ options, isTls = false }) => {
  const subject = {
    id: 'host-names',
    title: 'Host names against DNS rebinding',
    why: 'A page of another site whose name is made to point to this server passes the check "same-host": its Origin names the Host that it requests. TLS stops it, since the certificate lacks that name.',
  };
  const { origins, hosts, trustedProxies } = options;
  if (origins !== 'same-host') return ok(subject, 'origins is a list');
  if (hosts.length > 0) return ok(subject, `hosts is ${hosts.join(', ')}`);
  if (isTls) return ok(subject, 'hosts is empty; the server uses TLS');
  const remedy = 'Set hosts (HOSTS) to the names by which clients reach this server, such as app.example.com.';
  if (trustedProxies.length === 0)
    return finding('warn', subject, 'origins is "same-host", hosts is empty, and plain HTTP is served', remedy);
  const evidence =
    'origins is "same-host", hosts is empty, and proxies are trusted; whether they end TLS is unknown here';
  return finding('info', subject, evidence, remedy);
};

export const adminExposure: Check = ({ listensOn = null, hasAdminPort }) => {
  const subject = {
    id: 'admin-port',
    title: 'Port of the admin API',
    why: 'On the port of the application, admin API and metrics are reachable wherever clients are; metrics need no token by default.',
  };
  if (hasAdminPort === undefined) return ok(subject, 'whether they have a port of their own is unknown here');
  if (hasAdminPort) return ok(subject, 'admin API and metrics have a port of their own');
  const evidence = `admin API and metrics are on the port of the application, which listens on ${listensOn ?? 'an unknown address'}`;
  if (listensOn === null || isLoopback(listensOn)) return ok(subject, evidence);
  return finding(
    'info',
    subject,
    evidence,
    'Give them a port of their own (the extra adminPort, here ADMIN_PORT), or hide their paths in the proxy, as deploy/nginx/nginx.conf does.',
  );
};

function isLoopback(address: string): boolean {
  return address === 'localhost' || isLoopbackAddress(plainAddress(address));
}
