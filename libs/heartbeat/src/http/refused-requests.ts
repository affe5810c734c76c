import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';

import type { ProblemDetails } from '../base/problem.js';

/** A request for one of the library's routes that was answered with problem details. */
export interface RefusedRequest {
  /** The request object of the platform. */
  readonly request: object;
  readonly problem: ProblemDetails;
  /** Whether the guards admitted the request, so that its input or its handler is the cause. */
  readonly isAdmitted: boolean;
}

/** Publishes refused requests, for the audit trail. */
@Injectable()
export class RefusedRequests {
  readonly #stream = new Subject<RefusedRequest>();
  readonly stream = this.#stream.asObservable();

  announce(refused: RefusedRequest): void {
    this.#stream.next(refused);
  }
}
