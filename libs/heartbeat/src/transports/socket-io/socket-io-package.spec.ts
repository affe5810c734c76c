import { describe, expect, it } from '@jest/globals';

import { load } from './socket-io-package.js';

function missing(): never {
  throw new Error("Cannot find module 'socket.io'\nRequire stack: …");
}

describe('load', () => {
  it('reports what to install where socket.io cannot be loaded', () => {
    expect(() => load(missing)).toThrow(
      expect.objectContaining({
        code: 'HEARTBEAT_SOCKET_IO_MISSING',
        message:
          "nestjs-heartbeat/socket.io needs the package socket.io, which could not be loaded (Cannot find module 'socket.io'): npm install socket.io",
      }),
    );
  });

  it('returns the package', () => {
    const found = {};
    expect(load(() => found)).toBe(found);
  });
});
