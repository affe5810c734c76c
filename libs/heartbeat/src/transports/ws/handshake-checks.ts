import type { IncomingMessage } from 'node:http';

import { type CanActivate, HttpException, type Type } from '@nestjs/common';
import { ContextIdFactory, type ModuleRef } from '@nestjs/core';
import { fromEvent, isObservable, lastValueFrom, takeUntil } from 'rxjs';

import { drawDelay, type Refusal, refusals } from '../../admission/refusal.js';
import { printable } from '../../base/printable.js';
import type { NodeState } from '../../node/node-state.js';
import type { HandshakeMiddleware } from '../../options/guard.options.js';
import { handshakeContext } from './handshake-context.js';
import type { GuardedHandshake } from './handshake-guards.decorator.js';
import { HandshakeResponse } from './handshake-response.js';

/** A gateway with guards of its handshake. */
export interface GuardedGateway extends GuardedHandshake {
  readonly gateway: Type<unknown>;
  /** Of the gateway's module, which has created the guards. */
  readonly moduleRef: ModuleRef;
}

/** The parts of one handshake. */
interface Handshake {
  readonly request: IncomingMessage;
  readonly response: HandshakeResponse;
  /** Aborts when the handshake is given up. */
  readonly signal: AbortSignal;
}

/** The application's own checks of a handshake, before `authenticate`: its middleware, then the guards of the path's gateways. */
export class HandshakeChecks {
  constructor(private readonly node: NodeState) {}

  /** The checks of an upgrade; undefined where there are none. They resolve with a refusal, or with null, and never reject. */
  of(
    guarded: readonly GuardedGateway[],
    request: IncomingMessage,
  ): ((signal: AbortSignal) => Promise<Refusal | null>) | undefined {
    if (guarded.length === 0 && this.node.options.handshakeMiddleware.length === 0) return undefined;
    return signal => this.#check(guarded, { request, response: new HandshakeResponse(request), signal });
  }

  async #check(guarded: readonly GuardedGateway[], handshake: Handshake): Promise<Refusal | null> {
    const { response } = handshake;
    const ended = response.ended.then(() => refusedBy(response.statusCode, ANSWERED));
    return Promise.race([ended, this.#refusal(guarded, handshake)]).then(refusal => this.#withDelay(refusal, response));
  }

  async #refusal(guarded: readonly GuardedGateway[], handshake: Handshake): Promise<Refusal | null> {
    const { request, response, signal } = handshake;
    let what = 'handshakeMiddleware';
    try {
      for (const middleware of this.node.options.handshakeMiddleware) await passed(middleware, request, response);
      const contextId = ContextIdFactory.getByRequest(request);
      for (const { gateway, guards, handler, moduleRef } of guarded) {
        what = `a handshake guard of ${gateway.name}`;
        moduleRef.registerRequestByContextId(request, contextId);
        const context = handshakeContext({ gateway, handler, request, response });
        for (const given of guards) {
          if (signal.aborted) return null;
          const guard = typeof given === 'function' ? await moduleRef.resolve<CanActivate>(given, contextId) : given;
          if (!(await resultOf(guard.canActivate(context), signal))) return refusals.guardRefused(403, REFUSED);
        }
      }
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      if (error instanceof HttpException && isRefusal(error.getStatus()))
        return refusals.guardRefused(error.getStatus(), printable(error.message));
      this.node.applicationFailed('guard', error, `${what} failed`);
      return refusals.guardRefused(500, FAILED);
    }
  }

  /** Advises a delay with 429 and 503, as each refusal does: that of the application, else a random one. */
  #withDelay(refusal: Refusal | null, response: HandshakeResponse): Refusal | null {
    if (refusal?.status !== 429 && refusal?.status !== 503) return refusal;
    const seconds = Number(response.getHeader('retry-after') ?? Number.NaN);
    const drawn = drawDelay(this.node.options.drain.returnWindowMs, this.node.random);
    return { ...refusal, retryAfterMs: seconds >= 0 && seconds < MAX_DELAY_S ? seconds * 1000 : drawn };
  }
}

const REFUSED = 'A guard of the gateway refused the handshake.';
const FAILED = 'A guard of the gateway failed: see the log of the server.';
const ANSWERED = 'The application refused the handshake.';
const MAX_DELAY_S = 2_000_000;

/** Whether an answer with this status refuses an upgrade. */
function isRefusal(status: number): boolean {
  return Number.isInteger(status) && status >= 300 && status <= 599;
}

function refusedBy(status: number, detail: string): Refusal {
  return refusals.guardRefused(isRefusal(status) ? status : 403, detail);
}

/** Resolves when a middleware has called `next`. */
function passed(middleware: HandshakeMiddleware, request: IncomingMessage, response: HandshakeResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (error?: unknown) => (error === undefined || error === null ? resolve() : reject(error));
    Promise.resolve(middleware(request, response, next)).catch(reject);
  });
}

/** The result of a guard: a value, a promise of one, or the last value of an Observable. */
async function resultOf(result: unknown, signal: AbortSignal): Promise<unknown> {
  const settled: unknown = await result;
  return isObservable(settled) ? lastValueFrom(settled.pipe(takeUntil(fromEvent(signal, 'abort')))) : settled;
}
