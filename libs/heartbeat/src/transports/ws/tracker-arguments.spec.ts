import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';

import { WebSocket, WebSocketServer } from 'ws';

import { resolveOptions } from '../../options/resolve-options.js';
import { PathServer } from './path-server.js';
import type { SocketListeners } from './socket-listeners.js';
import { TrackedSocket } from './tracked-socket.js';
import { assertTrackable } from './tracker-arguments.js';

const server = (options = {}) => new WebSocketServer({ noServer: true, ...options });
const ofGateway = () => new PathServer(resolveOptions({}), {}, { path: '/', socketListeners: {} as SocketListeners });

describe('assertTrackable', () => {
  it.each<[string, () => unknown, unknown]>([
    ['a server', server, {}],
    ['a path and a transport', server, { path: '/live', transport: 'graphql-ws' }],
    ['a class that extends TrackedSocket', () => server({ WebSocket: class extends TrackedSocket {} }), {}],
    ['the class of another copy of ws', () => server({ WebSocket: class extends EventEmitter {} }), {}],
  ])('accepts %s', (_what, given, options) => {
    expect(() => assertTrackable(given(), options)).not.toThrow();
  });

  it.each<[string, () => unknown, unknown, string]>([
    ['nothing', () => undefined, {}, 'give it the WebSocketServer itself'],
    ['an HTTP server', () => new EventEmitter(), {}, 'give it the WebSocketServer itself'],
    ['the server of a gateway', ofGateway, {}, 'gateways are tracked already'],
    ['a class of its own', () => server({ WebSocket: class extends WebSocket {} }), {}, 'extend TrackedSocket'],
    ['an old ws', () => server({ WebSocket: undefined }), {}, 'install ws 8.16 or newer'],
    ['options that are no object', server, '/live', "such as { path: '/live' }"],
    ['an unknown option', server, { paths: '/live' }, 'the options are path and transport'],
    ['a path without a slash', server, { path: 'live' }, 'begins with a slash'],
    ['a path with a query', server, { path: '/live?x' }, 'without a query'],
    ['an unknown transport', server, { transport: 'socket.io' }, 'one of graphql-ws, other'],
  ])('rejects %s, with the remedy', (_what, given, options, remedy) => {
    expect(() => assertTrackable(given(), options)).toThrow(remedy);
    expect(() => assertTrackable(given(), options)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_OPTIONS' }));
  });
});
