import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';

/** A request for one of our routes that was refused before its handler. */
export interface RefusedRequest {
  /** As the platform has it. */
  readonly request: object;
  readonly status: number;
}

/** Announces refused requests, for the audit trail. */
@Injectable()
export class RefusedRequests {
  readonly #stream = new Subject<RefusedRequest>();
  readonly stream = this.#stream.asObservable();

  announce(refused: RefusedRequest): void {
    this.#stream.next(refused);
  }
}
