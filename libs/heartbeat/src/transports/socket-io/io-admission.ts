import type { ServerResponse } from 'node:http';

import type { AdmissionService } from '../../admission/admission.service.js';
import type { Admitted } from '../../admission/attempt.js';
import type { Refusal } from '../../admission/refusal.js';
import { guarded } from '../../connection/lifetime.js';
import type { NodeState } from '../../node/node-state.js';
import type { RefusedClients } from '../ws/refused-clients.js';
import { ignoreError, stopIgnoringErrors } from '../ws/upgrade.js';
import { answerRefusal, respondRefusal } from '../ws/upgrade-answer.js';
import type { AllowRequest, EngineRequest } from './engine-fields.js';
import { IoAttempt } from './io-attempt.js';
import type { OriginRule } from './io-origins.js';

/** A decision about a session that engine.io is about to open. */
export type Decision =
  | {
      readonly outcome: 'admitted';
      readonly admitted: Admitted;
      /** Must be called in the turn in which the session becomes a connection. */
      readonly release: () => void;
      /** The response to a polling request; null for an upgrade. */
      readonly response: ServerResponse | null;
    }
  /** The session is opened only to report the refusal. */
  | { readonly outcome: 'refused'; readonly refusal: Refusal };

type Done = Parameters<AllowRequest>[1];

/** The parts that {@link IoAdmission} depends on. */
export interface IoAdmissionParts {
  readonly node: NodeState;
  readonly admission: AdmissionService;
  readonly refused: RefusedClients;
  readonly originRule: OriginRule;
  /** The application's own hook, which is called last. */
  readonly allowRequest: AllowRequest | undefined;
}

/**
 * Decides about the first request of each session, through engine.io's option `allowRequest`. The slot of an admitted session is held until
 * engine.io has opened it. A refusal is sent here, since engine.io has only the statuses 400 and 403.
 */
export class IoAdmission {
  readonly #decisions = new WeakMap<EngineRequest, Decision>();

  constructor(private readonly parts: IoAdmissionParts) {}

  readonly allowRequest: AllowRequest = (request, done) => {
    // A client that resets while its upgrade waits must not end the process.
    const isUpgrade = !request.res;
    if (isUpgrade) request.socket.on('error', ignoreError);
    const settled: Done = (error, success) => {
      if (isUpgrade) stopIgnoringErrors(request.socket);
      done(error, success);
    };
    this.parts.originRule(request, judge => this.#decide(new IoAttempt(request, judge), settled));
  };

  /** The decision about a session that was opened for this request; undefined for a request that was not decided here. */
  take(request: EngineRequest): Decision | undefined {
    const decision = this.#decisions.get(request);
    this.#decisions.delete(request);
    return decision;
  }

  /** engine.io opened no session for this request. */
  abandoned(request: EngineRequest): void {
    const decision = this.take(request);
    if (decision?.outcome === 'admitted') decision.release();
  }

  #decide(attempt: IoAttempt, done: Done): void {
    const { admission, allowRequest } = this.parts;
    admission.admit(attempt, verdict => {
      if ('status' in verdict) return this.#refuse(attempt, verdict, done);
      if (allowRequest === undefined) return this.#admit(attempt, verdict, done);
      this.#ask(allowRequest, attempt, verdict, done);
    });
  }

  /** Calls the application's hook. The attempt holds its slot meanwhile. Conditions that may have changed are checked again. */
  #ask(allowRequest: AllowRequest, attempt: IoAttempt, admitted: Admitted, done: Done): void {
    const { admission, node } = this.parts;
    const release = admission.hold(admitted, attempt);
    let isAnswered = false;
    const answered = (answer: () => void) => {
      if (isAnswered) return;
      isAnswered = true;
      clearTimeout(timer);
      release();
      if (!attempt.isGone) answer();
    };
    const refuse = (refusal: Refusal) => answered(() => this.#refuse(attempt, refusal, done));
    const timer = setTimeout(() => refuse(admission.timeout()), node.options.limits.handshakeTimeoutMs);
    guarded(
      () =>
        allowRequest(attempt.request, (error, success) => {
          if (!success) return answered(() => this.#refuseAsHook(attempt, error, done));
          answered(() => {
            const refusal = admission.recheck(admitted);
            if (refusal) this.#refuse(attempt, refusal, done);
            else this.#admit(attempt, admitted, done);
          });
        }),
      'allowRequest',
      (what, error) => {
        node.codeFailed(what, error);
        refuse({ status: 500, reason: 'unauthenticated', detail: 'The server failed to check the request.' });
      },
    );
  }

  #admit(attempt: IoAttempt, admitted: Admitted, done: Done): void {
    const release = this.parts.admission.hold(admitted, attempt);
    this.#decisions.set(attempt.request, { outcome: 'admitted', admitted, release, response: attempt.response });
    done(null, true);
  }

  /** As engine.io answers: 403 with the text of the hook. */
  #refuseAsHook(attempt: IoAttempt, error: string | null | undefined, done: Done): void {
    this.parts.admission.refused(attempt, { status: 403, reason: 'unauthenticated' });
    done(error, false);
  }

  #refuse(attempt: IoAttempt, refusal: Refusal, done: Done): void {
    const { admission, refused } = this.parts;
    const { request, response } = attempt;
    admission.refused(attempt, refusal);
    if (response !== null) return respondRefusal(response, refusal);
    if (refused.closeFor(request, refusal) === null) return answerRefusal(request.socket, refusal);
    this.#decisions.set(request, { outcome: 'refused', refusal });
    done(null, true);
  }
}
