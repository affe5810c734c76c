import { describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';

import { Server as SocketIo } from 'socket.io';
import { WebSocketServer } from 'ws';

import { GuestFilter, kindOf } from './guest-filter.js';

type Listener = (...given: unknown[]) => unknown;

class Owner {
  readonly handleUpgrade = (...given: unknown[]) => given;
  // As a minifier writes the listener of `ws`.
  // prettier-ignore
  readonly minified = (e: unknown,t: unknown,r: unknown)=>{this.handleUpgrade(e,t,r,this)};
  readonly routed = (request: { url: string }, socket: unknown, head: unknown) => {
    if (request.url === '/a') this.handleUpgrade(request, socket, head, this);
  };
}

/** The last listener that `make` has added. */
function listenerOf(make: (server: Server) => { close(): unknown }): Listener {
  const server = createServer();
  const guest = make(server);
  const [listener] = server.listeners('upgrade').slice(-1);
  guest.close();
  return listener as Listener;
}

describe('kindOf', () => {
  it.each<[string, Listener, ReturnType<typeof kindOf>]>([
    ['a ws server', listenerOf(server => new WebSocketServer({ server, path: '/a' })), 'ws'],
    ['Socket.IO', listenerOf(server => new SocketIo(server).engine), 'engine.io'],
    ['a minified ws server', new Owner().minified, 'ws'],
    ['a listener that routes', new Owner().routed as Listener, null],
    ['a bound listener', Owner.prototype.constructor.bind(null) as Listener, null],
  ])('recognises the listener of %s in the installed version', (_what, listener, kind) => {
    expect(kindOf(listener)).toBe(kind);
  });
});

const emit = (server: Server, url: string) => server.emit('upgrade', { url }, null, null);

describe('GuestFilter', () => {
  it('keeps the filtered upgrades from known guests only, in the order of the listeners', () => {
    const server = createServer();
    const seen: string[] = [];
    const first = ({ url }: { url?: string }) => void seen.push(`first ${url}`);
    const last = ({ url }: { url?: string }) => void seen.push(`last ${url}`);
    const guest = new WebSocketServer({ noServer: true });
    guest.handleUpgrade = ({ url }) => void seen.push(`guest ${url}`);
    const listener = ((request: never, socket: never, head: never) =>
      guest.handleUpgrade(request, socket, head, () => undefined)) as Listener;
    const known = Object.assign(listener, { toString: () => '' });
    server.on('upgrade', first).on('upgrade', known).on('upgrade', last);
    const own = new WebSocketServer({ server });
    own.handleUpgrade = ({ url }) => void seen.push(`own ${url}`);
    const filter = new GuestFilter(
      server,
      ([{ url }], kind) => url === '/ws' && kind === 'ws',
      () => undefined,
    );
    emit(server, '/ws');
    emit(server, '/other');
    expect(seen).toEqual([
      'first /ws',
      'guest /ws',
      'last /ws',
      'first /other',
      'guest /other',
      'last /other',
      'own /other',
    ]);
    filter.close();
    emit(server, '/ws');
    expect(seen.at(-1)).toBe('own /ws');
    expect(server.listenerCount('newListener')).toBe(0);
    own.close();
  });

  it('filters listeners that are added later, reports them, and lets them be removed', async () => {
    const server = createServer();
    let reported = 0;
    const filter = new GuestFilter(
      server,
      () => true,
      () => reported++,
    );
    const guest = new WebSocketServer({ server });
    let handled = 0;
    guest.handleUpgrade = () => void handled++;
    await Promise.resolve();
    emit(server, '/ws');
    expect([handled, reported, filter.listeners('ws').length, filter.listeners('engine.io').length]).toEqual([
      0, 1, 1, 0,
    ]);
    guest.close();
    expect(server.listenerCount('upgrade')).toBe(0);
    filter.close();
  });
});
