import type { IncomingMessage } from 'node:http';

import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';

import { ClientAddresses } from '../admission/client-addresses.js';
import type { Clock } from '../base/clock.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_CLOCK, HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { clientNetwork } from '../base/network-address.js';
import { problemOf } from '../base/problem.js';
import { identifyAdmin } from './admin-actor.js';
import { roleFor } from './admin-routes.js';
import { AdminTokens, bearerToken } from './admin-tokens.js';
import { FailureWindow } from './failure-window.js';
import { ProblemException } from './problem.exception.js';

/** The prefix length of the network from which one IPv6 client usually chooses its addresses. */
const NETWORK_BITS = 64;

const NO_TOKEN_CONFIGURED =
  'No admin token is configured, so no request is admitted: set the option admin.tokens (the reference server: the variable ADMIN_TOKEN).';
const WRONG_TOKEN = 'Send a token that is configured in admin.tokens, as "Authorization: Bearer <token>".';

/**
 * Admits a request with a configured token: of a viewer for reading, of an operator for everything. Ten wrong tokens from an address within
 * a minute block it: further requests without a valid token are refused with 429. A valid token is always admitted. A request without a
 * token is not a guess and does not count.
 */
@Injectable()
export class AdminTokenGuard implements CanActivate {
  readonly #tokens: AdminTokens;

  constructor(
    @Inject(HEARTBEAT_OPTIONS) options: ResolvedOptions,
    @Inject(HEARTBEAT_CLOCK) private readonly clock: Clock,
    private readonly failures: FailureWindow,
    private readonly addresses: ClientAddresses,
  ) {
    this.#tokens = new AdminTokens(options.admin.tokens);
  }

  /** @throws ProblemException 401, 403 or 429. */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    const presented = bearerToken(request.headers.authorization);
    const holder = this.#tokens.holderOf(presented);
    if (holder === null) throw this.#refusal(request, presented !== null);
    // The audit trail also needs the name for an attempt that the role forbids.
    identifyAdmin(request, holder.name, holder.role);
    if (holder.role === 'viewer' && roleFor(context.getHandler()) === 'operator') throw forbidden(holder.name);
    return true;
  }

  /** The block affects wrong tokens only: during an attack from a shared address, an operator with a valid token must be admitted. */
  #refusal(request: IncomingMessage, isGuess: boolean): ProblemException {
    const address = clientNetwork(this.addresses.of(request), NETWORK_BITS);
    const now = this.clock.now();
    const blockedMs = this.failures.blockedMs(address, now);
    if (blockedMs > 0) return tooManyFailures(Math.ceil(blockedMs / 1000));
    if (isGuess && !this.#tokens.isEmpty) this.failures.failed(address, now);
    return unauthenticated(this.#tokens.isEmpty ? NO_TOKEN_CONFIGURED : WRONG_TOKEN);
  }
}

function unauthenticated(detail: string): ProblemException {
  return new ProblemException(problemOf('unauthenticated', 401, detail), { 'WWW-Authenticate': 'Bearer' });
}

function forbidden(name: string): ProblemException {
  const detail = `The token "${name}" is a viewer's and may only read: use an operator's token to change anything.`;
  return new ProblemException(problemOf('forbidden', 403, detail));
}

function tooManyFailures(seconds: number): ProblemException {
  const detail = `Too many wrong tokens came from your address within a minute: try again in ${seconds} s.`;
  return new ProblemException(problemOf('too-many-failures', 429, detail), { 'Retry-After': String(seconds) });
}
