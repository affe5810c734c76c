import type { IncomingMessage, ServerResponse } from 'node:http';

import { z } from 'zod';

import { isHostEntry } from '../base/host-names.js';
import type { Authentication, Identity } from '../base/identity.js';
import { isTrustedProxy } from '../base/network-address.js';
import { isOriginEntry } from '../base/origin.js';

const originRule =
  'must be "same-host" or a list such as "https://app.example.com" and "capacitor://localhost": each with scheme, host and port only; ' +
  '"https://*.example.com" allows each subdomain of one label, "null" every page of opaque origin, "*" all';
const hostRule = 'must be a list of host names such as "app.example.com", without scheme, port and wildcard';
const middlewareRule = 'must be a list of functions (request, response, next), such as [cookieParser()]';
const networkRule = 'must be a list of addresses and CIDRs such as "10.0.0.0/8", and "unix:" for a Unix socket';

/** Options for the admission of clients, beside the groups. */
export interface GuardOptions {
  /**
   * The admitted browser origins: an origin that names the requested host, or a list such as `['https://app.example.com',
   * 'capacitor://localhost']`, of any scheme. In a list, `https://*.example.com` admits subdomains of one label, `null` pages of opaque
   * origin (sandboxed frames of any site, file pages), `*` all. A client without an Origin header is not a browser and passes.
   * Default: `same-host`.
   */
  readonly origins: 'same-host' | readonly string[];
  /**
   * The host names of this server, without ports. An upgrade with another Host header is refused with 403 `origin-refused`, a request for
   * metrics or the admin API with 421. Set it against DNS rebinding, where `origins` is `same-host` and plain HTTP is served.
   * Default: none, every name.
   */
  readonly hosts: readonly string[];
  /**
   * Addresses and CIDRs of the proxies whose `X-Forwarded-For` or `Forwarded` is trusted, in any spelling. `unix:` stands for the peers of
   * a Unix socket.
   * Default: none.
   */
  readonly trustedProxies: readonly string[];
  /**
   * The function that authenticates clients.
   * Default: all clients are anonymous.
   */
  readonly authenticate: Authenticate | undefined;
  /**
   * Middleware that runs at the upgrade, before handshake guards and `authenticate`, such as `cookieParser()`; Nest's own middleware does not
   * run then. The response is the detached one of the guards. An error passed to `next` refuses as an exception of a guard.
   * Default: none.
   */
  readonly handshakeMiddleware: readonly HandshakeMiddleware[];
  /**
   * The identity of a client from what handshake guards have attached to the request, where there is no `authenticate`; null for an
   * anonymous client. An error or an invalid value refuses with 401, as for `authenticate`.
   * Default: none, clients without `authenticate` are anonymous.
   */
  readonly identityFromRequest: IdentityFromRequest | undefined;
}

/** Middleware of Connect and Express. The types of both, and those of an application with more properties, are accepted. */
export type HandshakeMiddleware = {
  handle(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): unknown;
}['handle'];

/** The parameter may be a subtype, such as `IncomingMessage & { user?: User }`. */
export type IdentityFromRequest = { read(request: IncomingMessage): Identity | null }['read'];

/**
 * Decides before the response to the upgrade whether a client is admitted. It returns an identity, null to refuse, `'anonymous'` for a
 * client without identity, or `'deferred'` for a client that is identified later (`connection.identify`). An error or a rejection refuses
 * as well.
 * @param signal Aborts when the client has disconnected or `handshakeTimeoutMs` has passed. It is meant for Node's own APIs: an error of
 * your own listener would be an uncaught exception, which ends the process.
 */
export interface Authenticate {
  (request: IncomingMessage, signal: AbortSignal): Authentication | Promise<Authentication>;
  /**
   * Whether it may return `'anonymous'`. Then the doctor warns where clients of other machines reach the server. There is no other effect.
   * Default: false.
   */
  readonly admitsAnonymous?: boolean;
}

export const GUARD_DEFAULTS: GuardOptions = {
  origins: 'same-host',
  hosts: [],
  trustedProxies: [],
  authenticate: undefined,
  handshakeMiddleware: [],
  identityFromRequest: undefined,
};

export const GUARD_RULES: Readonly<Record<keyof GuardOptions, z.ZodType>> = {
  origins: z.union(
    [z.literal('same-host'), z.array(z.string(originRule).refine(isOriginEntry, originRule), originRule)],
    originRule,
  ),
  hosts: z.array(z.string(hostRule).refine(isHostEntry, hostRule), hostRule),
  trustedProxies: z.array(z.string(networkRule).refine(isTrustedProxy, networkRule), networkRule),
  authenticate: z.custom(value => typeof value === 'function', 'must be a function (request, signal) => identity'),
  handshakeMiddleware: z.array(
    z.custom(value => typeof value === 'function', middlewareRule),
    middlewareRule,
  ),
  identityFromRequest: z.custom(
    value => typeof value === 'function',
    'must be a function that takes a request and returns an identity',
  ),
};
