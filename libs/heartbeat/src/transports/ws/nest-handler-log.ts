import { BaseWsExceptionFilter } from '@nestjs/websockets';

import { describeError } from '../../base/describe-error.js';
import type { LimitedLogger } from '../../base/limited-logger.js';

interface HandlerLog {
  error(exception: unknown): void;
}

/**
 * Where Nest logs what message handlers, guards and pipes throw, once for each message and with a stack: a client that sends such
 * messages would flood the log. The field is private and has no public setter (decision 0017); it belongs to the process.
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
