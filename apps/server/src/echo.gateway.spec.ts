import { describe, expect, it } from '@jest/globals';
import { WsException } from '@nestjs/websockets';
import type { ClusterService, Connection } from 'nestjs-heartbeat';

import { createEchoGateway } from './echo.gateway.js';

interface EchoGateway {
  echo(data: unknown): unknown;
  broadcast(connection: Connection, data: unknown): void;
}
const sent: unknown[] = [];
const cluster = {
  broadcast: (data: unknown) => sent.push(data),
} as Partial<ClusterService> as ClusterService;
const Gateway = createEchoGateway('/ws', null) as new (cluster: ClusterService) => EchoGateway;
const gateway = new Gateway(cluster);

describe('the echo gateway', () => {
  it.each([['text'], [{ a: 1 }], [null], [undefined]])('returns %j unchanged', data => {
    expect(gateway.echo(data)).toEqual({ event: 'echo', data });
  });

  it('sends to all for an identified client, and for no other', () => {
    gateway.broadcast({ userId: 'u1' } as Connection, 'hello');
    expect(sent).toEqual([{ event: 'broadcast', data: 'hello' }]);
    expect(() => gateway.broadcast({ userId: null } as Connection, 'hello')).toThrow(WsException);
    expect(sent).toHaveLength(1);
  });
});
