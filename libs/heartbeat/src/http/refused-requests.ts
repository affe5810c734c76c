import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';

/** A request for one of the library's routes that was refused before its handler. */
export interface RefusedRequest {
  /** The request object of the platform. */
  readonly request: object;
  readonly status: number;
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
