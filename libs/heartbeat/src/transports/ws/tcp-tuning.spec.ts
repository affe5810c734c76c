import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { TcpOptions } from '../../options/tcp.options.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { TcpTuning } from './tcp-tuning.js';

class FakeServer extends EventEmitter {
  listening = false;
  readonly set: unknown[][] = [];

  /** As in Node, the handle exists when `listening` is emitted. */
  listen(status: number | null = 0): void {
    const handle = status === null ? {} : { setKeepAlive: (...how: unknown[]) => (this.set.push(how), status) };
    Object.assign(this, { _handle: handle });
    this.listening = true;
    this.emit('listening');
  }
}

/** The calls on a socket that `server` accepted. */
function tuned(tuning: TcpTuning, server?: FakeServer): unknown[][] {
  const done: unknown[][] = [];
  tuning.tune({
    server,
    setKeepAlive: (...how: unknown[]) => done.push(['keepAlive', ...how]),
    setNoDelay: (...how: unknown[]) => done.push(['noDelay', ...how]),
  } as unknown as Socket);
  return done;
}

function start(tcp: Partial<TcpOptions> = {}, platform: NodeJS.Platform = 'linux') {
  const server = new FakeServer();
  const tuning = new TcpTuning(resolveOptions({ tcp }).tcp, platform);
  tuning.serve(server as unknown as Server);
  return { server, tuning };
}

const SET = ['keepAlive', true, 60_000];

describe('TcpTuning', () => {
  it('sets keep-alive once, on the socket that listens, in seconds', () => {
    const { server, tuning } = start({ keepAliveDelayMs: 7900 });
    server.listen();
    expect(server.set).toEqual([[true, 7]]);
    expect([tuned(tuning, server), tuned(tuning, server)]).toEqual([[], []]);
  });

  it('sets it again when the server listens again', () => {
    const { server, tuning } = start();
    server.listen();
    server.listen(-22);
    expect(tuned(tuning, server)).toEqual([SET]);
    server.listen();
    expect(tuned(tuning, server)).toEqual([]);
  });

  it.each<[string, () => ReturnType<typeof start>]>([
    [
      'elsewhere than on Linux',
      () => {
        const world = start({}, 'darwin');
        world.server.listen();
        return world;
      },
    ],
    [
      'where the handle cannot, as in a worker of a cluster',
      () => {
        const world = start();
        world.server.listen(null);
        return world;
      },
    ],
    [
      'where the operating system refuses',
      () => {
        const world = start();
        world.server.listen(-22);
        return world;
      },
    ],
    [
      'where the server was listening already',
      () => {
        const world = start();
        const server = new FakeServer();
        server.listening = true;
        world.tuning.serve(server as unknown as Server);
        server.listen();
        return { ...world, server };
      },
    ],
    ['of a server that was not registered', () => ({ ...start(), server: new FakeServer() })],
  ])('sets it on each accepted socket %s', (_, given) => {
    const { server, tuning } = given();
    expect(tuned(tuning, server)).toEqual([SET]);
  });

  it('leaves no listener at a server after it was unregistered', () => {
    const server = new FakeServer();
    const leave = new TcpTuning(resolveOptions({}).tcp, 'linux').serve(server as unknown as Server);
    leave();
    server.listen();
    expect([server.set, server.listenerCount('listening')]).toEqual([[], 0]);
  });

  it('sets it on a socket without a server', () => {
    const { server, tuning } = start();
    server.listen();
    expect(tuned(tuning)).toEqual([SET]);
  });

  it.each<[Partial<TcpOptions>, unknown[][]]>([
    [{ keepAlive: false }, [['keepAlive', false, 60_000]]],
    [
      { keepAlive: false, noDelay: false },
      [
        ['keepAlive', false, 60_000],
        ['noDelay', false],
      ],
    ],
    [{ noDelay: false }, [['noDelay', false]]],
  ])('sets the other chosen options on each socket: %j', (tcp, set) => {
    const { server, tuning } = start(tcp);
    server.listen();
    expect(server.set).toEqual(tcp.keepAlive === false ? [] : [[true, 60]]);
    expect(tuned(tuning, server)).toEqual(set);
  });
});
