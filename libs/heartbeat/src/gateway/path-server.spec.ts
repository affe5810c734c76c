import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { pathOf } from './path-server.js';

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
