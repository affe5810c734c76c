import type { ServerOptions, WebSocketServer } from 'ws';

import { describeProblem, HeartbeatError, type Problem } from '../../base/heartbeat.error.js';
import { PathServer } from './path-server.js';
import { socketClassFor } from './socket-class.js';

const TRANSPORTS = ['graphql-ws', 'other'] as const;

/** The parameters of {@link ConnectionTracker.track}. */
export interface TrackOptions {
  /** The only path that is served, such as `/live`. Default: each that the server itself accepts. */
  readonly path?: string;
  /** The name of its connections in the list and in filters. `graphql-ws` also selects the close codes of that protocol. Default: `other`. */
  readonly transport?: (typeof TRANSPORTS)[number];
}

/**
 * Checks the arguments of `track`: plain JavaScript is not type-checked, and the server comes from any copy of `ws`.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem.
 */
export function assertTrackable(server: unknown, options: unknown): asserts server is WebSocketServer {
  const problems = [serverProblem(server), ...optionProblems(options)].filter(problem => problem !== null);
  if (problems.length === 0) return;
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  const text = `ConnectionTracker cannot track this server, an argument is wrong:${lines.join('')}`;
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', text, problems);
}

function serverProblem(server: unknown): Problem | null {
  const has = (name: string) => typeof (server as Record<string, unknown> | null | undefined)?.[name] === 'function';
  const { options } = (server ?? {}) as { readonly options?: ServerOptions };
  if (!has('handleUpgrade') || !has('shouldHandle') || typeof options !== 'object' || options === null) {
    const remedy = 'give it the WebSocketServer itself, such as new WebSocketServer({ noServer: true })';
    return faulty(
      server === null || server === undefined ? String(server) : '(another value)',
      'must be a server of ws',
      remedy,
    );
  }
  if (server instanceof PathServer) {
    return faulty(
      '(the server of a gateway)',
      'must be a server of the application',
      'leave it out: gateways are tracked already',
    );
  }
  const socketClass = socketClassFor(options);
  if (socketClass === undefined) {
    return faulty(
      '(a server of an old ws)',
      'must have the option WebSocket',
      'install ws 8.16 or newer for this package',
    );
  }
  if (socketClass === null) {
    const remedy = 'let your class extend TrackedSocket of nestjs-heartbeat, or leave the option WebSocket out';
    return faulty('(with a WebSocket class of its own)', 'must create sockets that can be tracked', remedy);
  }
  return null;
}

function faulty(value: string, rule: string, remedy: string): Problem {
  return { key: 'server', value, rule, remedy };
}

function optionProblems(options: unknown): Problem[] {
  if (typeof options !== 'object' || options === null) {
    return [{ key: 'options', value: options, rule: 'must be an object', remedy: "such as { path: '/live' }" }];
  }
  const { path, transport, ...unknown } = options as Record<string, unknown>;
  const problems: Problem[] = Object.keys(unknown).map(key => ({
    key,
    value: '(set)',
    rule: 'is not an option of track',
    remedy: 'the options are path and transport; limits are given to HeartbeatModule.forRoot()',
  }));
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#]*$/.test(path))) {
    const rule = 'must be a path that begins with a slash, without a query';
    problems.push({
      key: 'path',
      value: path,
      rule,
      remedy: 'such as /live; leave it out for each path that the server accepts',
    });
  }
  if (transport !== undefined && !(TRANSPORTS as readonly unknown[]).includes(transport)) {
    const rule = `must be one of ${TRANSPORTS.join(', ')}`;
    problems.push({ key: 'transport', value: transport, rule, remedy: 'leave it out for other' });
  }
  return problems;
}
