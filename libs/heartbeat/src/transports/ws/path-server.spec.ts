import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { heapBytesOf } from '../../../../../test/support/assert/heap-bytes.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { pathOf, PathServer } from './path-server.js';
import type { SocketListeners } from './socket-listeners.js';

describe('pathOf', () => {
  it.each([
    ['/', '/'],
    ['/chat', '/chat'],
    ['/chat/', '/chat/'],
    ['/chat?token=a', '/chat'],
    ['/chat?a=1?b#c', '/chat'],
    ['/chat#frag?x', '/chat'],
    ['http://example.com/chat?token=a', '/chat'],
    ['http://example.com', '/'],
    [undefined, '/'],
  ])('of %p is %p', (url, path) => {
    expect(pathOf({ url } as IncomingMessage)).toBe(path);
  });

  it.each(['?token=S3cret', '*?token=S3cret', 'http://example.com:99999/chat?token=S3cret', 'chat?token=S3cret#x'])(
    'of %p, which is none, keeps no query string',
    url => {
      expect(pathOf({ url } as IncomingMessage)).not.toContain('S3cret');
    },
  );
});

describe('PathServer', () => {
  const request = {} as IncomingMessage;
  const choose = (names: string[], own?: (names: Set<string>) => string | false) => {
    const server = new PathServer(resolveOptions({}), own ? { handleProtocols: own } : {}, {
      path: '/',
      socketListeners: {} as SocketListeners,
    });
    return server.options.handleProtocols?.(new Set(names), request);
  };

  it('chooses the first subprotocol, as `ws` does, or calls the gateway’s handleProtocols', () => {
    expect(choose(['a', 'b'])).toBe('a');
    expect(choose(['a', 'b'], names => [...names].at(-1)!)).toBe('b');
    expect(choose(['a', 'b'], () => false)).toBe(false);
  });

  it('does not keep the header that a subprotocol is a slice of', () => {
    expect(heapBytesOf(long => choose([long.slice(100, 140)]))).toBeLessThan(1000);
  });
});
