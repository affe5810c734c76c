import { BaseWsExceptionFilter } from '@nestjs/websockets';

import { describeError } from '../../base/describe-error.js';
import type { LimitedLogger } from '../../base/limited-logger.js';

interface HandlerLog {
  error(exception: unknown): void;
}

/**
 * The object through which Nest logs errors of message handlers, guards and pipes, once for each message and with a stack. A client that
 * sends such messages would flood the log. The field is private and has no public setter (decision 0017). It is shared by all applications
 * of the process.
 */
const filter = BaseWsExceptionFilter as unknown as { logger: HandlerLog };
const nests = filter.logger;
const inUse: HandlerLog[] = [];

/** Limits Nest's lines about failed handlers, by the place that threw, until the returned function is called. */
export function limitHandlerLog(log: LimitedLogger): () => void {
  const own: HandlerLog = {
    error(exception) {
      const [, place = ''] = describeError(exception).split('\n', 2);
      const what = `a message handler failed${place.replace(/^ +/, ' ').replace(/ \(.*$/, '')}`;
      log.error(what, what, exception);
    },
  };
  inUse.push(own);
  filter.logger = own;
  return () => {
    const at = inUse.indexOf(own);
    if (at !== -1) inUse.splice(at, 1);
    filter.logger = inUse.at(-1) ?? nests;
  };
}
