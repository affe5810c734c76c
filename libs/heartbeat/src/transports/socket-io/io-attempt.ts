import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';

import type { Attempt } from '../../admission/attempt.js';
import { type Refusal, refusals } from '../../admission/refusal.js';
import type { OriginJudge } from '../../base/origin.js';
import { printable } from '../../base/printable.js';
import { faultOfPath, faultOfUpgrade } from '../ws/upgrade-request.js';
import type { EngineRequest } from './engine-fields.js';

/** The version of engine.io's protocol that is supported: that of socket.io-client 3 and 4. */
const VERSION = '4';

/** The first request of a session as an attempt for admission: a polling request or an upgrade. */
export class IoAttempt implements Attempt {
  readonly isServed = true;
  readonly originOption = 'cors.origin';
  /** Null for an upgrade. */
  readonly response: ServerResponse | null;

  constructor(
    readonly request: EngineRequest,
    readonly judgeOrigin: OriginJudge | undefined,
  ) {
    this.response = request.res ?? null;
  }

  get isGone(): boolean {
    return this.response?.destroyed ?? this.request.socket.destroyed;
  }

  onGone(listener: () => void): () => void {
    const end: EventEmitter = this.response ?? this.request.socket;
    end.once('close', listener);
    return () => end.off('close', listener);
  }

  fault(): Refusal | null {
    const { EIO: version = 'missing' } = queryOf(this.request);
    if (version !== VERSION) return { status: 400, reason: 'bad-upgrade', detail: describe(version) };
    const fault = (this.response === null ? faultOfUpgrade(this.request) : null) ?? faultOfPath(this.request);
    if (fault === null) return null;
    if (this.response === null) return refusals.badUpgrade(fault);
    return { status: 400, reason: 'bad-upgrade', detail: `The request is not valid: ${fault}.` };
  }
}

/** The query of a request, which engine.io has parsed. */
export function queryOf({ _query: query }: EngineRequest): EngineRequest['_query'] {
  return query;
}

function describe(version: string): string {
  const given = JSON.stringify(printable(version, 20));
  return `The EIO parameter is ${given} instead of "${VERSION}": use socket.io-client 3 or 4.`;
}
