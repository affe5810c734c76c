import { describe, expect, it } from '@jest/globals';
import { WsException } from '@nestjs/websockets';
import type { Connection, ConnectionService } from 'nestjs-heartbeat';

import { createEchoGateway } from './echo.gateway.js';

interface EchoGateway {
  echo(data: unknown): unknown;
  broadcast(connection: Connection, data: unknown): void;
}
const sent: unknown[] = [];
const connections = {
  broadcast: (data: unknown) => sent.push(data),
} as Partial<ConnectionService> as ConnectionService;
const Gateway = createEchoGateway('/ws', null) as new (connections: ConnectionService) => EchoGateway;
const gateway = new Gateway(connections);

describe('the echo gateway', () => {
  it.each([['text'], [{ a: 1 }], [null], [undefined]])('answers %j with the same', data => {
    expect(gateway.echo(data)).toEqual({ event: 'echo', data });
  });

  it('sends to everybody for one who has said who it is, and for nobody else', () => {
    gateway.broadcast({ userId: 'u1' } as Connection, 'hello');
    expect(sent).toEqual([{ event: 'broadcast', data: 'hello' }]);
    expect(() => gateway.broadcast({ userId: null } as Connection, 'hello')).toThrow(WsException);
    expect(sent).toHaveLength(1);
  });
});
