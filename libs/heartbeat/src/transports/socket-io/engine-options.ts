import type { ServerOptions } from 'ws';

import { describeProblem, HeartbeatError, type Problem } from '../../base/heartbeat.error.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { maxChunks } from '../ws/path-server.js';
import type { AllowRequest, Engine, EngineOptions, SocketIoServer } from './engine-fields.js';
import { engineSockets } from './engine-socket.js';

/** The default of engine.io, in bytes: where it is in force, the application has set nothing else. */
const DEFAULT_BUFFER_SIZE = 1e6;

/**
 * Checks the options of a Socket.IO server.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` that lists every option that cannot be supported.
 */
export function assertSupported({ allowEIO3, transports, wsEngine }: Partial<EngineOptions>): void {
  const problems: Problem[] = [];
  if (allowEIO3 === true) {
    const rule = 'is not supported: clients of protocol 3 ping the server instead of answering its pings';
    problems.push({ key: 'allowEIO3', value: true, rule, remedy: 'leave it out, and use socket.io-client 3 or 4' });
  }
  if (transports?.includes('webtransport') === true) {
    const rule = 'must not include "webtransport", whose sessions have no HTTP request to admit';
    problems.push({ key: 'transports', value: transports, rule, remedy: 'use ["polling", "websocket"]' });
  }
  if (wsEngine !== undefined) {
    const rule = 'is the class whose sockets this library reads';
    problems.push({ key: 'wsEngine', value: wsEngine, rule, remedy: 'leave it out' });
  }
  if (problems.length === 0) return;
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `A Socket.IO server cannot be tracked:${lines.join('')}`, problems);
}

/**
 * Sets the options of an engine that this library decides. engine.io announces the interval and the timeout to clients, which end a connection
 * that brings no ping within their sum. The returned function restores the application's values.
 */
export function applyEngineOptions(
  engine: Engine,
  { opts: given }: SocketIoServer,
  { heartbeat, limits, drain }: ResolvedOptions,
  allowRequest: AllowRequest,
): () => void {
  const { opts } = engine;
  const before: Partial<EngineOptions> = { ...opts };
  const isDefault = given.maxHttpBufferSize === undefined && opts.maxHttpBufferSize === DEFAULT_BUFFER_SIZE;
  const maxHttpBufferSize = isDefault ? limits.maxMessageBytes : opts.maxHttpBufferSize;
  const { maxFragments } = limits;
  const { closeTimeoutMs: closeTimeout } = drain;
  Object.assign(opts, {
    allowRequest,
    pingInterval: heartbeat.maxIntervalMs,
    pingTimeout: heartbeat.missedPongs * heartbeat.pongTimeoutMs,
    maxHttpBufferSize,
    wsEngine: engineSockets({
      maxFragments,
      maxBufferedChunks: maxChunks(maxHttpBufferSize),
      closeTimeout,
    } as ServerOptions),
  } satisfies Partial<EngineOptions>);
  if (engine.ws !== undefined) engine.init();
  return () => {
    const { pingInterval, pingTimeout, maxHttpBufferSize: size, wsEngine } = before;
    Object.assign(opts, {
      allowRequest: before.allowRequest,
      pingInterval,
      pingTimeout,
      maxHttpBufferSize: size,
      wsEngine,
    });
    if (engine.ws !== undefined) engine.init();
  };
}
