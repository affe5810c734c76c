import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Attempt } from '../../admission/attempt.js';
import { type Refusal, refusals } from '../../admission/refusal.js';
import type { Upgrade } from './upgrade.js';
import { faultOfPath, faultOfUpgrade } from './upgrade-request.js';

/** An upgrade as an attempt for admission. */
export class UpgradeAttempt implements Attempt {
  readonly request: IncomingMessage;
  readonly #socket: Duplex;
  readonly #pathFault: string | null;

  constructor(
    { request, socket, pathFault = null }: Pick<Upgrade, 'request' | 'socket'> & Partial<Pick<Upgrade, 'pathFault'>>,
    readonly isServed: boolean,
    readonly checks?: Attempt['checks'],
  ) {
    this.request = request;
    this.#socket = socket;
    this.#pathFault = pathFault;
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  onGone(listener: () => void): () => void {
    this.#socket.once('close', listener);
    return () => this.#socket.off('close', listener);
  }

  fault(): Refusal | null {
    const fault = faultOfUpgrade(this.request) ?? this.#pathFault ?? (this.isServed ? faultOfPath(this.request) : null);
    return fault === null ? null : refusals.badUpgrade(fault);
  }
}
