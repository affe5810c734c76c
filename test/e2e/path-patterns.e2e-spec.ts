/** Gateways whose path is a pattern, with real clients, on Express and Fastify. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Connection, ConnectionService, CurrentConnection, type PathParams } from 'nestjs-heartbeat';
import type { IncomingMessage } from 'node:http';
import { PLATFORMS, SharedPort, upgradeHead } from '../support/servers/shared-port.js';
import { until } from '../support/assert/until.js';

/** The parameters that `handleConnection` saw in the request. */
const opened: unknown[] = [];

@WebSocketGateway({ path: '/rooms/:room' })
class RoomGateway {
  handleConnection(_client: unknown, { params }: IncomingMessage & { params: PathParams }) {
    opened.push({ ...params });
  }

  @SubscribeMessage('where')
  where(@CurrentConnection() { path, params }: Connection) {
    return { event: 'room', data: { path, params } };
  }
}

/** Shares the server of {@link RoomGateway}. */
@WebSocketGateway({ path: 'rooms/:room/' })
class SecondRoomGateway {
  @SubscribeMessage('second')
  second(@CurrentConnection() { params }: Connection) {
    return { event: 'second', data: params };
  }
}

@WebSocketGateway({ path: '/rooms/lobby' })
class LobbyGateway {
  @SubscribeMessage('where')
  where(@CurrentConnection() { path, params }: Connection) {
    return { event: 'lobby', data: { path, params } };
  }
}

@WebSocketGateway({ path: '/files{/:version}/get/*path' })
class FileGateway {
  @SubscribeMessage('where')
  where(@CurrentConnection() { params }: Connection) {
    return { event: 'file', data: params };
  }
}

const gateways = [RoomGateway, SecondRoomGateway, LobbyGateway, FileGateway];

afterEach(() => SharedPort.closeAll());

describe.each(PLATFORMS)('On %s', platform => {
  it('patterns have their decoded parameters, and the most specific path comes first', async () => {
    opened.length = 0;
    const seen: (string | null)[] = [];
    const shared = await SharedPort.start({
      gateways,
      platform,
      options: {
        authenticate: request => {
          seen.push(JSON.stringify((request as IncomingMessage & { params: PathParams }).params));
          return 'anonymous';
        },
      },
    });
    const ask = async (path: string, event = 'where') =>
      JSON.parse(await shared.echo(path, JSON.stringify({ event }))) as unknown;
    expect(await ask('/rooms/caf%C3%A9?token=a')).toEqual({
      event: 'room',
      data: { path: '/rooms/caf%C3%A9', params: { room: 'café' } },
    });
    expect(await ask('/rooms/a%2Fb/')).toEqual({
      event: 'room',
      data: { path: '/rooms/a%2Fb/', params: { room: 'a/b' } },
    });
    expect(await ask('/rooms/7', 'second')).toEqual({ event: 'second', data: { room: '7' } });
    expect(await ask('/rooms/lobby')).toEqual({ event: 'lobby', data: { path: '/rooms/lobby', params: {} } });
    expect(await ask('/files/get/a/b')).toEqual({ event: 'file', data: { path: ['a', 'b'] } });
    expect(await ask('/files/v2/get/a')).toEqual({ event: 'file', data: { version: 'v2', path: ['a'] } });
    expect(opened).toEqual([{ room: 'café' }, { room: 'a/b' }, { room: '7' }]);
    expect(seen).toEqual(
      [{ room: 'café' }, { room: 'a/b' }, { room: '7' }, {}, { path: ['a', 'b'] }, { version: 'v2', path: ['a'] }].map(
        params => JSON.stringify(params),
      ),
    );
  });

  it('a hostile path costs its own client only', async () => {
    const shared = await SharedPort.start({ gateways, platform });
    const status = async (path: string) => Number((await shared.exchange(upgradeHead(path))).split(' ')[1]);
    expect(
      await Promise.all(['/rooms/%ff', '/rooms/%', '/rooms/%E0%A4%A', `/rooms/${'a'.repeat(10_000)}`].map(status)),
    ).toEqual([400, 400, 400, 400]);
    const paths = [
      '/rooms//x',
      '/rooms/..',
      '/rooms/%2e%2e',
      '/rooms',
      `/${'a/'.repeat(5000)}`,
      '//rooms/a',
      '/rooms/a/b',
    ];
    expect(new Set(await Promise.all(paths.map(status)))).toEqual(new Set([404]));
    const refused = await shared.exchange(upgradeHead('/rooms/%ff?token=S3cret'));
    expect(refused).toContain('urn:nestjs-heartbeat:problem:bad-upgrade');
    expect(refused).toContain('percent-encoding');
    expect(refused).not.toContain('S3cret');
    const open = await shared.webSocket('/rooms/ok');
    expect(typeof open).toBe('object');
    const connections = shared.app.get(ConnectionService);
    await until(() => connections.count === 1);
    expect(connections.find({ path: '/rooms/ok' })).toHaveLength(1);
  });
});

describe('Gateways that match the same requests', () => {
  @WebSocketGateway({ path: '/rooms/:id' })
  class OtherNames {}

  it('stop the start', async () => {
    await expect(SharedPort.start({ gateways: [RoomGateway, OtherNames] })).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_OPTIONS',
      message: expect.stringContaining('write them alike'),
    });
  });
});
