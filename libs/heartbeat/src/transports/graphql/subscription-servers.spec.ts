import { describe, expect, it } from '@jest/globals';

import { WebSocketServer } from 'ws';

import { nestGraphqlPath } from './graphql-peers.js';
import { type GraphQLDriver, serversOfDriver, serversOfFastify } from './subscription-servers.js';

const server = () => new WebSocketServer({ noServer: true });
const driverWith = (service: object | undefined) =>
  ({ stop: async () => undefined, _subscriptionService: service }) as unknown as GraphQLDriver;

describe('serversOfDriver', () => {
  it('finds none where subscriptions are off', () => {
    expect(serversOfDriver(driverWith(undefined))).toEqual([]);
    expect(serversOfDriver(driverWith({ wss: server(), options: {} }))).toEqual([]);
  });

  it('finds the server of graphql-ws, with the parameters of its handler', () => {
    const [wss, schema, onConnect] = [server(), {}, () => true];
    const options = { schema, execute: undefined, context: 'c', 'graphql-ws': { onConnect } };
    const handler = { schema, context: 'c', onConnect };
    expect(serversOfDriver(driverWith({ wss, options }))).toEqual([{ server: wss, transport: 'graphql-ws', handler }]);
    const [plain] = serversOfDriver(driverWith({ wss, options: { schema, 'graphql-ws': true } }));
    expect(plain?.handler).toEqual({ schema });
  });

  it('finds that of subscriptions-transport-ws, whose clients have the close codes of this library', () => {
    const [wss, subTransWs] = [server(), server()];
    const options = { 'subscriptions-transport-ws': true };
    expect(serversOfDriver(driverWith({ wss, subTransWs, options }))).toEqual([
      { server: subTransWs, transport: 'other', handler: null },
    ]);
  });
});

describe('serversOfFastify', () => {
  it('finds each server once', () => {
    const websocketServer = server();
    const instances = [{ addHook: () => undefined }, { addHook: () => undefined, websocketServer }];
    expect(serversOfFastify([...instances, ...instances])).toEqual([
      { server: websocketServer, transport: 'graphql-ws', handler: null },
    ]);
  });
});

const missing = () => {
  throw new Error("Cannot find module '@nestjs/graphql'");
};

describe('nestGraphqlPath', () => {
  it('names what to install where the package is missing', () => {
    expect(() => nestGraphqlPath(missing)).toThrow('npm install @nestjs/graphql graphql');
    expect(() => nestGraphqlPath(missing)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_GRAPHQL_MISSING' }));
  });
});
