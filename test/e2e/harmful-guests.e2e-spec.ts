/** Guests that end the upgrades of other listeners: paths of gateways are kept from them, and the start warns. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionTracker, type HeartbeatOptions } from 'nestjs-heartbeat';
import { trackSocketIo } from 'nestjs-heartbeat/socket.io';
import { Server as SocketIo } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { TestApp } from '../support/servers/app.js';
import { SharedPort } from '../support/servers/shared-port.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

@WebSocketGateway({ path: '/rooms/:room' })
class RoomGateway extends AppGateway {}

afterEach(() => Promise.all([SharedPort.closeAll(), TestApp.closeAll()]));

const OWN = JSON.stringify({ event: 'echo', data: 'own' });
/** Longer than the time after which the engine.io of these tests ends upgrades. */
const SLOW_MS = 250;
const TIMEOUT_MS = 100;

const slow: HeartbeatOptions = {
  authenticate: async () => {
    await sleep(SLOW_MS);
    return 'anonymous' as const;
  },
};

function echoing(guest: WebSocketServer): WebSocketServer {
  return guest.on('connection', client =>
    client.on('message', (data: Buffer) => client.send(`guest: ${data.toString()}`)),
  );
}

interface Guest {
  readonly make: (server: Server) => { close(): unknown };
  /** The first message of the guest on its own path. */
  readonly opens: (shared: SharedPort) => Promise<string>;
}

const echoes = (shared: SharedPort) => shared.echo('/guest', 'a');

const GUESTS: Record<string, Guest> = {
  'a ws server with { server, path }': {
    make: server => echoing(new WebSocketServer({ server, path: '/guest' })),
    opens: echoes,
  },
  'a ws server with { server }': { make: server => echoing(new WebSocketServer({ server })), opens: echoes },
  'Socket.IO without destroyUpgrade: false': {
    make: server => {
      const io = new SocketIo(server, { destroyUpgradeTimeout: TIMEOUT_MS });
      return { close: () => io.engine.close() };
    },
    opens: async shared => {
      const texts: string[] = [];
      await shared.webSocket('/socket.io/?EIO=4&transport=websocket', [], text => texts.push(text));
      await until(() => texts.length > 0);
      return texts[0]!;
    },
  },
};

describe.each(Object.entries(GUESTS))('Beside %s', (_name, { make, opens }) => {
  it.each([
    ['express', 'beforeAdapter'],
    ['express', 'afterAdapter'],
    ['express', 'afterListen'],
    ['fastify', 'beforeAdapter'],
    ['https', 'afterListen'],
  ] as const)('on %s, added %s, gateways and the guest serve their own paths', async (platform, moment) => {
    const guests: { close(): unknown }[] = [];
    const add = (server: Server) => void guests.push(make(server));
    for (const options of [{}, slow]) {
      const shared = await SharedPort.start({ gateways: [AppGateway, RoomGateway], platform, options, [moment]: add });
      for (const path of ['/ws', '/rooms/a', '/ws?x=1']) {
        const client = await shared.webSocket(path);
        if (typeof client === 'number') throw new Error(`refused: ${client}`);
        client.send(OWN);
        expect(String((await once(client, 'message'))[0])).toBe(OWN);
        client.send(OWN);
        expect(String((await once(client, 'message'))[0])).toBe(OWN);
        expect(client.readyState).toBe(WebSocket.OPEN);
      }
      expect(await opens(shared)).toMatch(/guest: a|"sid"/);
      guests.splice(0).forEach(guest => guest.close());
      await shared.close();
    }
  });
});

describe.each(Object.entries(GUESTS))('Beside %s', (_name, { make, opens }) => {
  it.each(['before', 'after'] as const)('that was added %s it, a tracked ws server serves its own path', async when => {
    const shared = await SharedPort.start({ gateways: [AppGateway], options: slow });
    const { server } = shared;
    const seen: unknown[] = [];
    server.on('upgrade', request => Object.assign(request, { seen: true }));
    const guest = when === 'before' ? make(server) : null;
    const own = new WebSocketServer({ server, path: '/own' });
    own.on('connection', (client, request) => {
      seen.push((request as { seen?: boolean }).seen);
      client.on('message', () => client.send('own'));
    });
    shared.app.get(ConnectionTracker).track(own);
    const other = guest ?? make(server);
    expect(await Promise.all([1, 2].map(() => shared.echo('/own', 'a')))).toEqual(['own', 'own']);
    expect(seen).toEqual([true, true]);
    expect(await shared.echo('/ws', OWN)).toBe(OWN);
    expect(await opens(shared)).toMatch(/guest: a|"sid"/);
    for (const one of [own, other]) one.close();
    await shared.close();
  });
});

describe('The filter of guests', () => {
  it('leaves their listeners in their places, to be removed as before', async () => {
    const shared = await SharedPort.start({ gateways: [AppGateway] });
    const { server } = shared;
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    const [first, last] = [note('first'), note('last')];
    server.on('upgrade', first);
    const guest = new WebSocketServer({ server, path: '/guest' });
    server.on('upgrade', last);
    server.once('upgrade', note('once'));
    const listeners = server.listeners('upgrade');
    expect(listeners[1]).toBe(first);
    expect(listeners[3]).toBe(last);
    expect(await shared.echo('/ws', OWN)).toBe(OWN);
    expect(order).toEqual(['first', 'last', 'once']);
    guest.close();
    await until(() => server.listenerCount('upgrade') === 3);
    server.off('upgrade', first).off('upgrade', last);
    expect(server.listenerCount('upgrade')).toBe(1);
  });

  it('lets a check of the application see every upgrade', async () => {
    const seen: unknown[] = [];
    const shared = await SharedPort.start({
      gateways: [AppGateway],
      options: slow,
      beforeAdapter: server => {
        server.on('upgrade', ({ url }, socket) => {
          seen.push(url);
          if (url === '/ws?bad') socket.destroy();
        });
        GUESTS['a ws server with { server, path }']!.make(server);
      },
    });
    await expect(shared.webSocket('/ws?bad')).rejects.toThrow('socket hang up');
    expect(await shared.echo('/ws', OWN)).toBe(OWN);
    expect(seen).toEqual(['/ws?bad', '/ws']);
  });

  it('restores the listeners at the end, where the server stays open', async () => {
    const shared = await SharedPort.start({ gateways: [AppGateway] });
    const { server } = shared;
    const guest = new WebSocketServer({ server, path: '/guest' });
    const [original] = server.listeners('upgrade').slice(-1);
    await until(() => server.rawListeners('upgrade').at(-1) !== original);
    guest.close();
    await shared.close();
    expect([server.listenerCount('newListener'), server.listenerCount('upgrade')]).toEqual([0, 0]);
  });
});

const start = async (add: (server: Server, app: TestApp) => { close(): unknown }) => {
  const app = await TestApp.prepare({ gateways: [AppGateway] });
  const guest = add(app.app.getHttpServer() as Server, app);
  app.onClose(() => guest.close());
  await app.app.listen(0, '127.0.0.1');
  return app;
};
const warnings = (app: TestApp) =>
  app.logged('warn').filter(line => line.includes('Paths of gateways are kept from it'));

describe('The start', () => {
  it.each([
    ['a ws server with { server, path }', /ConnectionTracker\.track\(server\), or make it with \{ noServer: true \}/],
    ['Socket.IO without destroyUpgrade: false', /make it with \{ destroyUpgrade: false \}/],
  ])('warns once of %s, with the remedy', async (name, remedy) => {
    const app = await start(GUESTS[name]!.make);
    await until(() => warnings(app).length === 1);
    const server = app.app.getHttpServer() as Server;
    const second = GUESTS[name]!.make(server);
    app.onClose(() => second.close());
    await sleep(2 * TIMEOUT_MS);
    expect(warnings(app)).toHaveLength(1);
    expect(warnings(app)[0]).toMatch(remedy);
  });

  it.each<[string, (server: Server, app: TestApp) => { close(): unknown }]>([
    [
      'Socket.IO with destroyUpgrade: false',
      server => {
        const io = new SocketIo(server, { destroyUpgrade: false, destroyUpgradeTimeout: TIMEOUT_MS });
        return { close: () => io.engine.close() };
      },
    ],
    [
      'a tracked Socket.IO server, beside no other guest',
      (server, app) => {
        const io = new SocketIo(server, { destroyUpgradeTimeout: TIMEOUT_MS });
        trackSocketIo(app.app, io);
        return { close: () => io.engine.close() };
      },
    ],
    [
      'a tracked ws server',
      (server, app) => {
        const guest = new WebSocketServer({ server, path: '/guest' });
        app.app.get(ConnectionTracker).track(guest);
        return guest;
      },
    ],
    [
      'a ws server with noServer',
      server => {
        const guest = new WebSocketServer({ noServer: true });
        server.on('upgrade', (request, socket, head) => {
          if (request.url === '/guest') guest.handleUpgrade(request, socket, head, () => undefined);
        });
        return guest;
      },
    ],
  ])('does not warn of %s', async (_what, add) => {
    const app = await start(add);
    await sleep(2 * TIMEOUT_MS);
    expect(warnings(app)).toEqual([]);
  });
});
