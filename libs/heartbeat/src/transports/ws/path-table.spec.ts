import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { heapBytesOf } from '../../../../../test/support/assert/heap-bytes.js';
import { NO_PARAMS } from '../../base/path-params.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { PathPattern } from './path-pattern.js';
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
  const server = table.find({ url } as IncomingMessage)?.server;
  return server === undefined ? undefined : server.servesEveryPath ? 'every path' : server.path;
};

const match = (paths: readonly (string | null)[], url: string) => {
  const found = tableOf(paths).find({ url } as IncomingMessage);
  if (found === undefined) return undefined;
  return [found.server.servesEveryPath ? 'every path' : found.server.path, found.fault ?? { ...found.params }];
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
    ['/rooms/room+1', '/rooms/room+1'],
    ['/rooms\\:room', '/rooms:room'],
    ['/rooms\\{1\\}', '/rooms%7B1%7D'],
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

describe('PathTable with patterns', () => {
  it.each<[readonly (string | null)[], string, unknown]>([
    [['/rooms/:room'], '/rooms/42?token=a', ['/rooms/:room', { room: '42' }]],
    [['/rooms/:room'], '/rooms/', undefined],
    [['/rooms/:room'], '/rooms', undefined],
    [['/rooms/:room'], '/rooms/a/b', undefined],
    [['/rooms/:room'], '/Rooms/a', undefined],
    [['/rooms/:room'], '/rooms/a/', undefined],
    [['/rooms/:room/'], '/rooms/a/', ['/rooms/:room/', { room: 'a' }]],
    [['/rooms/:room/'], '/rooms/a', ['/rooms/:room/', { room: 'a' }]],
    [['rooms/:room'], '/rooms/a', ['/rooms/:room', { room: 'a' }]],
    [['/rooms/:room'], 'http://example.com/rooms/a?b', ['/rooms/:room', { room: 'a' }]],
    [['/rooms/:room'], '/rooms/caf%C3%A9', ['/rooms/:room', { room: 'café' }]],
    [['/rooms/:room'], Buffer.from('/rooms/café').toString('latin1'), ['/rooms/:room', { room: 'café' }]],
    [['/rooms/:room'], '/rooms/a%2Fb', ['/rooms/:room', { room: 'a/b' }]],
    [['/rooms/:room'], '/rooms/a%20b', ['/rooms/:room', { room: 'a b' }]],
    [['/rooms/:room'], '/rooms/%00', ['/rooms/:room', { room: '\0' }]],
    [['/rooms/:room'], '/rooms/%253A', ['/rooms/:room', { room: '%3A' }]],
    [['/rooms/:room'], '/rooms/__proto__', ['/rooms/:room', { room: '__proto__' }]],
    [['/rooms/:room'], '/rooms/x/../a', ['/rooms/:room', { room: 'a' }]],
    [['/rooms/:room'], '/rooms/%2e%2e/a', undefined],
    [['/rooms/:room'], '/rooms/..', undefined],
    [['/rooms/:room'], '/rooms//a', undefined],
    [['/rooms/:room'], '//rooms/a', undefined],
    [['/rooms/:room'], '*', undefined],
    [['/rooms/:room'], '/rooms/%ff', ['/rooms/:room', 'the path has an invalid percent-encoding']],
    [['/rooms/:room'], '/rooms/%', ['/rooms/:room', 'the path has an invalid percent-encoding']],
    [['/rooms/:room'], '/rooms/%c3%28', ['/rooms/:room', 'the path has an invalid percent-encoding']],
    [['/files/*path'], '/files/a/%ff', ['/files/*path', 'the path has an invalid percent-encoding']],
    [['/rooms/:room'], `/rooms/${'a'.repeat(2041)}`, ['/rooms/:room', { room: 'a'.repeat(2041) }]],
    [['/rooms/:room'], `/rooms/${'a'.repeat(2042)}`, ['/rooms/:room', 'the path is longer than 2048 characters']],
    [['/rooms/:room'], `/other/${'a'.repeat(10_000)}`, undefined],
    [['/rooms/:room', null], '/rooms/%ff', ['/rooms/:room', 'the path has an invalid percent-encoding']],
    [['/rooms/:room', null], '/elsewhere', ['every path', {}]],
    [['/räume/:room'], '/r%c3%a4ume/a', ['/räume/:room', { room: 'a' }]],
    [['/files/*path'], '/files/a/b%2Fc', ['/files/*path', { path: ['a', 'b/c'] }]],
    [['/files/*path'], '/files/a/', ['/files/*path', { path: ['a', ''] }]],
    [['/files/*path'], '/files/a//b', ['/files/*path', { path: ['a', '', 'b'] }]],
    [['/files/*path'], '/files/../etc/passwd', undefined],
    [['/files/*path'], '/files/', undefined],
    [['/rooms{/:room}'], '/rooms', ['/rooms{/:room}', {}]],
    [['/rooms{/:room}'], '/rooms/a', ['/rooms{/:room}', { room: 'a' }]],
    [['/rooms{/:room}'], '/rooms/', undefined],
    [['/rooms/{:room}'], '/rooms/', ['/rooms/{:room}', {}]],
    [['/rooms/{:room}'], '/rooms', ['/rooms/{:room}', {}]],
    [['{/:room}'], '/', ['/{/:room}', {}]],
    [['{/:room}'], '/a', ['/{/:room}', { room: 'a' }]],
    [['/v:major.:minor/ws'], '/v1.2/ws', ['/v:major.:minor/ws', { major: '1', minor: '2' }]],
    [['/:"room-id"'], '/a', ['/:"room-id"', { 'room-id': 'a' }]],
    [['/\\:a/:b'], '/:a/c', ['/\\:a/:b', { b: 'c' }]],
  ])('with %j, finds for %j: %j', (paths, url, expected) => {
    expect(match(paths, url)).toEqual(expected);
  });

  it.each([
    ['/a/b', '/a/b'],
    ['/a/x', '/a/:p'],
    ['/a/v1', '/a/v:p'],
    ['/a/x/y', '/a/*rest'],
    ['/x/b', '/:p/b'],
    ['/x/y', '/:p/:q'],
    ['/x/y/z', '/*rest/z'],
    ['/x/y/w', '/*rest'],
    ['/a/b/', '/a/*rest'],
  ])('finds for %s the most specific pattern by segment, in any order of the gateways: %s', (url, expected) => {
    const paths = ['/*rest', '/*rest/z', '/:p/:q', '/:p/b', '/a/*rest', '/a/v:p', '/a/:p', '/a/b'];
    expect(match(paths, url)?.[0]).toBe(expected);
    expect(match(paths.toReversed(), url)?.[0]).toBe(expected);
  });

  it.each([
    ['/rooms/:room', '/rooms/:id'],
    ['/rooms{/:room}', '/rooms/:room'],
    ['/rooms{/:room}', '/rooms'],
    ['/rooms', '/rooms{/:room}'],
    ['/files/*path', '/files/*rest'],
    ['/:a/:b', '/:b/:a'],
  ])('refuses %s beside %s, which match the same requests', (one, other) => {
    const refused = { code: 'HEARTBEAT_BAD_OPTIONS', message: expect.stringContaining(`"${one}"`) };
    expect(() => tableOf([one, other])).toThrow(expect.objectContaining(refused));
    expect(() => tableOf([one, other])).toThrow(`"${other}"`);
  });

  it('has one server for equal patterns', () => {
    const table = tableOf(['/rooms/:room']);
    expect(table.get(gatewayPath('rooms//:room/'))).toBe(table.find({ url: '/rooms/a' } as IncomingMessage)?.server);
    expect(table.get(gatewayPath('/rooms/:id'))).toBeUndefined();
    expect(table.get(gatewayPath('/rooms/room'))).toBeUndefined();
  });

  it.each([
    ['/:', /Missing parameter name/],
    ['/*', /Missing parameter name.*"\/files\/\*path"/],
    ['/:a:b', /Missing text before "b"/],
    ['/rooms/:room(\\d+)', /Unexpected \(/],
    ['/rooms/:room+', /Unexpected \+/],
    ['/rooms{/:room', /expected }/],
    ['/rooms/:a/:a', /names a parameter twice/],
    ['/../:a', /segment "."/],
    ['/*a/x/*b', /two wildcards/],
    [`/${'{/:a}'.repeat(9)}`, /names a parameter twice|256/],
    [`/x${Array.from({ length: 9 }, (_, index) => `{/:p${index}}`).join('')}`, /more than 256 combinations/],
    [`/x${'{'.repeat(20_000)}a${'}'.repeat(20_000)}`, /call stack/],
  ])('refuses the pattern %.30j at the start', (path, fault) => {
    expect(() => gatewayPath(path)).toThrow(fault);
    expect(() => gatewayPath(path)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_OPTIONS' }));
  });

  it('allocates no parameters for a path without a pattern', () => {
    const table = tableOf(['/chat', '/rooms{/:room}', null]);
    const params = ['/chat', '/rooms', '/x'].map(url => table.find({ url } as IncomingMessage)?.params);
    expect(params.every(each => each === NO_PARAMS && Object.isFrozen(each))).toBe(true);
  });

  it('keeps no part of the request by the parameters', () => {
    const table = tableOf(['/rooms/:room', '/files/*path']);
    const paramsOf = (start: string) => (long: string) => {
      const url = `${start}${long.slice(100, 140)}?${long}`;
      return table.find({ url } as IncomingMessage)?.params;
    };
    expect(heapBytesOf(paramsOf('/rooms/'))).toBeLessThan(1500);
    expect(heapBytesOf(paramsOf('/files/'))).toBeLessThan(1500);
  });

  it.each(['/a/:p-:q.:r/b', '/a/*p-:q.x', '/*p/:q/c', '/a{/:p}{/:q}{/:r}/d', '/:p/x:q-:r', '/*p--:q', '/:p.:q.:r.:s'])(
    'takes time in proportion to the length of a hostile path: %s',
    pattern => {
      const { routes } = new PathPattern(pattern);
      for (const piece of ['-', '.', '/', '-.', '/-', '.x', '/a', 'x-', '/x-', '%2E', '--.']) {
        const path = `/a/${piece.repeat(64_000 / piece.length)}!`;
        const costMs = () => {
          const startedAt = performance.now();
          for (const route of routes) route.match(path);
          return performance.now() - startedAt;
        };
        // About 1 ms. Time that grows with the square would be seconds.
        expect(Math.min(costMs(), costMs(), costMs())).toBeLessThan(100);
      }
    },
  );
});
