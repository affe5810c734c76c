import { HeartbeatError, describeProblem, type Problem } from '../base/heartbeat.error.js';
import type { OwnRoute } from './own-routes.js';

/** A port for admin API, metrics and health beside the application's own. */
export interface AdminPortOptions {
  /** From 0 to 65535; 0 selects any free port. */
  readonly port: number;
  /** The address to listen on. Default: all addresses of the machine, like `app.listen(port)`. */
  readonly host?: string;
  /** Whether the application's port serves admin API and metrics, too. Default: false. Health is always served on both. */
  readonly beside?: boolean;
  /** Paths of the application that this port serves, too, with all paths below them, such as `/docs`. Default: none. */
  readonly also?: readonly string[];
}

/** Injection token of `HttpSettings`. */
export const HTTP_SETTINGS = Symbol('HTTP_SETTINGS');

/** The settings of the extras for the library's routes. */
export interface HttpSettings {
  readonly routes: readonly OwnRoute[];
  /** Null without a port of its own. */
  readonly adminPort: (Required<Omit<AdminPortOptions, 'host'>> & { readonly host: string | undefined }) | null;
}

/**
 * The complete settings of the extra `adminPort`.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS`
 */
export function resolveAdminPort(given: number | AdminPortOptions | undefined): HttpSettings['adminPort'] {
  if (given === undefined) return null;
  const { port, host, beside = false, also = [] } = typeof given === 'number' ? { port: given } : given;
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return { port, host, beside, also };
  const problem: Problem = {
    key: 'adminPort',
    value: port,
    rule: 'must be a whole number from 0 to 65535',
    remedy: 'correct it, or leave it out to serve the admin API on the port of the application',
  };
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `HeartbeatModule cannot start: ${describeProblem(problem)}`, [
    problem,
  ]);
}
