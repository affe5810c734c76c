import { inspect } from 'node:util';

import { HeartbeatError, type Problem } from 'nestjs-heartbeat';

import { EnvironmentError } from './environment.js';
import { JsonLogger } from './json-logger.js';
import { ListenError } from './listen-failure.js';

const CONTEXT = 'Server';

/**
 * Writes to standard error why the server cannot start: the message of an error that the operator can remove, any other error with
 * its stack. Where LOG_FORMAT is `json`, one line of JSON, whatever else is wrong with the environment.
 * @param logger The one of this process; null where the start failed before there was one.
 */
export function reportFailure(error: unknown, environment: NodeJS.ProcessEnv, logger: JsonLogger | null): void {
  if (environment['LOG_FORMAT'] === 'json') writeJson(error, logger ?? new JsonLogger('fatal', null));
  else console.error(isKnown(error) ? error.message : error);
}

type Known = EnvironmentError | ListenError | HeartbeatError;

function isKnown(error: unknown): error is Known {
  return [EnvironmentError, ListenError, HeartbeatError].some(known => error instanceof known);
}

function writeJson(error: unknown, logger: JsonLogger): void {
  if (isKnown(error)) return logger.fatal(headlineOf(error), fieldsOf(error), CONTEXT);
  if (error instanceof Error) return logger.fatal(error, CONTEXT);
  logger.fatal(`The server cannot start: ${inspect(error)}`, CONTEXT);
}

/** The message; without the list of problems where these are fields. */
function headlineOf(error: Known): string {
  if (!(error instanceof EnvironmentError)) return error.message;
  return error.message.split('\n', 1)[0]!.replace(/:$/, '');
}

function fieldsOf(error: Known): { error: Record<string, string>; problems?: readonly Problem[] } {
  const { name } = error;
  const problems = 'problems' in error && error.problems.length > 0 ? { problems: error.problems } : {};
  return { error: 'code' in error ? { name, code: error.code } : { name }, ...problems };
}
