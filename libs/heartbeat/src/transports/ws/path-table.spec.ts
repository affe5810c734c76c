import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { resolveOptions } from '../../options/resolve-options.js';
import { PathServer } from './path-server.js';
import type { SocketListeners } from './socket-listeners.js';
import { gatewayPath, PathTable } from './path-table.js';

function tableOf(paths: readonly (string | null)[]): PathTable {
  const table = new PathTable();
  for (const path of paths) {
    const server = new PathServer(
      resolveOptions({}),
      {},
      { path: path === null ? null : gatewayPath(path), socketListeners: {} as SocketListeners },
    );
    server.takesSlash = path?.endsWith('/') ?? false;
    table.add(server);
  }
  return table;
}

const find = (table: PathTable, url: string) => {
  const server = table.find({ url } as IncomingMessage);
  return server === undefined ? undefined : server.servesEveryPath ? 'every path' : server.path;
};

describe('gatewayPath', () => {
  it.each([
    ['/', '/'],
    ['', '/'],
    ['chat', '/chat'],
    ['//chat//room//', '/chat/room'],
    ['/chät', '/ch%C3%A4t'],
    ['/ch%c3%a4t', '/ch%C3%A4t'],
    ['/чат', '/%D1%87%D0%B0%D1%82'],
    ['/a b', '/a%20b'],
    ['/%7Eann', '/~ann'],
    ['/a/../b/./c', '/b/c'],
    ['/rooms/:room', '/rooms/:room'],
  ])('of %j is %j', (path, expected) => {
    expect(gatewayPath(path)).toBe(expected);
  });

  it.each<[unknown, RegExp]>([
    ['/chat?room=1', /query or a fragment/],
    ['/chat#room', /query or a fragment/],
    ['/\uD800', /Unicode/],
    [/chat/, /not a text/],
    [['/a', '/b'], /not a text/],
    [5, /not a text/],
  ])('rejects %p, which no request would match', (path, fault) => {
    expect(() => gatewayPath(path)).toThrow(fault);
    expect(() => gatewayPath(path)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_OPTIONS' }));
  });
});

describe('PathTable', () => {
  it.each<[readonly (string | null)[], string, string | undefined]>([
    [['/chat'], '/chat?x=1', '/chat'],
    [['/chat'], '/chat/', undefined],
    [['/chat'], '/Chat', undefined],
    [['/chat'], '/x/../chat', '/chat'],
    [['/chat'], '/%63hat', '/chat'],
    [['/chat'], '//host/chat', undefined],
    [['/chat'], '*', undefined],
    [['/chat'], 'http://example.com/chat', '/chat'],
    [['/chat/'], '/chat', '/chat'],
    [['/chat/'], '/chat/', '/chat'],
    [['/chat/'], '/chat//', undefined],
    [['/chät'], '/ch%C3%A4t', '/ch%C3%A4t'],
    [['/chät'], '/ch%c3%a4t', '/ch%C3%A4t'],
    [['/chät'], Buffer.from('/chät').toString('latin1'), '/ch%C3%A4t'],
    [['/'], '/', '/'],
    [['/'], '/other', undefined],
    [[null], '/', 'every path'],
    [[null], '/any/thing', 'every path'],
    [[null], '*', 'every path'],
    [[null, '/chat'], '/chat', '/chat'],
    [[null, '/chat'], '/chat/', 'every path'],
  ])('with %j, finds the server of a request for %j: %j', (paths, url, expected) => {
    expect(find(tableOf(paths), url)).toBe(expected);
  });
});
