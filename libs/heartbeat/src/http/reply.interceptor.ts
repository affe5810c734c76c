import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { catchError, concatMap, defaultIfEmpty, first, type Observable, of } from 'rxjs';

import { Problems } from './problems.js';
import { RefusedRequests } from './refused-requests.js';

/**
 * Sends the result or the error of one of the library's handlers. It is the innermost interceptor. Those of the application run around it
 * and see a response that is already sent, so they can neither wrap a body nor replace an error.
 */
@Injectable()
export class ReplyInterceptor implements NestInterceptor {
  constructor(
    private readonly problems: Problems,
    private readonly refused: RefusedRequests,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<undefined> {
    const http = context.switchToHttp();
    const response = http.getResponse<object>();
    return next.handle().pipe(
      defaultIfEmpty(undefined),
      first(),
      concatMap((body: unknown) => {
        this.#send(response, body);
        return of(undefined);
      }),
      catchError((error: unknown) => {
        const exception = this.problems.of(error);
        this.refused.announce({ request: http.getRequest<object>(), problem: exception.problem, isAdmitted: true });
        this.problems.answer(response, exception);
        return of(undefined);
      }),
    );
  }

  /** A handler may have sent its response itself. */
  #send(response: object, body: unknown): void {
    const { httpAdapter } = this.adapterHost;
    if (!httpAdapter.isHeadersSent(response)) httpAdapter.reply(response, body);
  }
}
