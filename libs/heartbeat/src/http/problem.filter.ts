import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';

import { isAdmitted } from './admin-actor.js';
import { Problems } from './problems.js';
import { RefusedRequests } from './refused-requests.js';

/**
 * Answers errors of guards, interceptors and pipes before a handler of the library as problem details. It is bound to the library's
 * controllers, and Nest calls the filters of a controller before those of the application.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly problems: Problems,
    private readonly refused: RefusedRequests,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const exception = this.problems.of(error);
    const request = http.getRequest<object>();
    this.refused.announce({ request, problem: exception.problem, isAdmitted: isAdmitted(request) });
    this.problems.answer(http.getResponse<object>(), exception);
  }
}
