import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Attempt } from '../../admission/attempt.js';
import { type Refusal, refusals } from '../../admission/refusal.js';
import { faultOfUpgrade } from './upgrade-request.js';

/** An upgrade as an attempt for admission. */
export class UpgradeAttempt implements Attempt {
  readonly request: IncomingMessage;
  readonly #socket: Duplex;

  constructor(
    { request, socket }: { readonly request: IncomingMessage; readonly socket: Duplex },
    readonly isServed: boolean,
  ) {
    this.request = request;
    this.#socket = socket;
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  onGone(listener: () => void): () => void {
    this.#socket.once('close', listener);
    return () => this.#socket.off('close', listener);
  }

  fault(): Refusal | null {
    const fault = faultOfUpgrade(this.request);
    return fault === null ? null : refusals.badUpgrade(fault);
  }
}
