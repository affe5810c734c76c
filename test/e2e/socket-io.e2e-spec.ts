/** Gateways of Socket.IO behave as with Nest's `IoAdapter`: the same table runs against both. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Socket as Client } from 'socket.io-client';
import { until } from '../support/assert/until.js';
import { IoApp, next } from '../support/servers/io-app.js';
import { GATEWAYS, left, OWN_PORT } from './socket-io-gateways.js';

describe.each([
  ['stock', 'express', ['polling']],
  ['stock', 'express', ['websocket']],
  ['ours', 'express', ['polling']],
  ['ours', 'express', ['websocket']],
  ['ours', 'express', ['polling', 'websocket']],
  ['ours', 'fastify', ['polling', 'websocket']],
] as const)('With the %s adapter on %s over %j', (adapter, http, transports) => {
  let app: IoApp;
  let client: Client;
  const connected = (options: Parameters<IoApp['connected']>[0] = {}) =>
    app.connected({ transports: [...transports], ...options });

  beforeAll(async () => {
    app = await IoApp.start({ adapter, http, gateways: GATEWAYS });
    client = await connected();
  });
  afterAll(async () => {
    await IoApp.closeAll();
  });
  afterEach(() => {
    client.removeAllListeners();
  });

  it.each<[string, unknown[], unknown]>([
    ['return', ['text'], 'text'],
    ['return', [{ a: [1, null] }], { a: [1, null] }],
    ['return', [[1, 2]], [1, 2]],
    ['several', [1, 'b', { c: 3 }], [1, 'b', { c: 3 }]],
    ['pick', [{ name: 'ann', age: 7 }], 'ann'],
    ['even', [4], 4],
    ['number', ['41'], 42],
  ])('a handler answers %s with an event', async (event, values, answer) => {
    client.emit(event, ...values);
    expect(await next(client, 'answer')).toEqual([answer]);
  });

  it.each<[string, unknown[], unknown]>([
    ['ack', ['text'], 'text'],
    ['ack', [0], 0],
    ['ack', [false], false],
    ['ack-later', [1], { data: 1 }],
    ['double', [21], 42],
  ])('a handler acknowledges %s', async (event, values, answer) => {
    expect(await client.emitWithAck(event, ...values)).toEqual(answer);
  });

  it('an acknowledgement by hand has all of its values', async () => {
    const values = await new Promise(resolve =>
      client.emit('ack-by-hand', 'x', (...given: unknown[]) => resolve(given)),
    );
    expect(values).toEqual(['by hand', 'x']);
  });

  it('binary values arrive in both directions', async () => {
    const bytes = Buffer.from([0, 1, 255]);
    client.emit('return', { bytes, text: 'x' });
    const [{ bytes: received, text }] = (await next(client, 'answer')) as [{ bytes: Buffer; text: string }];
    expect([[...Buffer.from(received)], text]).toEqual([[0, 1, 255], 'x']);
  });

  it('an Observable sends each of its values', async () => {
    const answers: unknown[] = [];
    client.on('answer', answer => answers.push(answer));
    client.emit('stream');
    await until(() => answers.length === 3);
    expect(answers).toEqual([1, 2, 3]);
  });

  it.each<[string, unknown[], string, unknown]>([
    ['throw', [], 'exception', { status: 'error', message: 'refused' }],
    ['throw-error', [], 'exception', { status: 'error', message: 'Internal server error' }],
    ['failing-stream', [], 'exception', { status: 'error', message: 'the stream failed' }],
    ['even', [3], 'exception', { status: 'error', message: 'Forbidden resource' }],
    ['number', ['x'], 'exception', { status: 'error', message: 'no number' }],
    ['throw-range', [], 'filtered', 'too far'],
  ])('an error of %s reaches the client through the filter', async (event, values, name, answer) => {
    client.emit(event, ...values);
    const [received] = await next(client, name);
    expect([received]).toMatchObject([answer]);
  });

  it('a handler without a result and an unknown event have no answer', async () => {
    client.emit('nothing');
    client.emit('unknown');
    client.onAny((event: string) => expect(event).toBe('answer'));
    client.emit('return', 'last');
    expect(await next(client, 'answer')).toEqual(['last']);
    client.offAny();
  });

  it('the server asks a client and waits for its acknowledgement', async () => {
    client.on('question', (text: string, answer: (value: string) => void) => answer(`${text} so`));
    expect(await client.emitWithAck('ask')).toBe('how? so');
  });

  it('the socket is that of the client, in its own room', async () => {
    expect(await client.emitWithAck('id')).toEqual({ id: client.id, rooms: [client.id] });
  });

  it('rooms receive what their members send, and only they', async () => {
    const [member, stranger] = [await connected(), await connected()];
    await member.emitWithAck('join', 'red');
    const heard: string[] = [];
    stranger.on('said', () => heard.push('stranger'));
    const said = next(member, 'said');
    client.emit('say', { room: 'red', text: 'hello' });
    expect(await said).toEqual(['hello']);
    client.emit('shout', 'all');
    await until(() => heard.length > 0);
    expect(heard).toEqual(['stranger']);
  });

  it('middleware sees the credentials of a client', async () => {
    const ann = app.client({ transports: [...transports], auth: { name: 'ann' } });
    expect(await next(ann, 'welcome')).toEqual(['ann']);
    ann.disconnect();
    await until(() => left.includes('ann'));
  });

  it('middleware refuses a client with its own error', async () => {
    const refused = connected({ auth: { name: 'mallory' } });
    await expect(refused).rejects.toMatchObject({ message: 'not you', data: { why: 'name' } });
  });

  it.each([
    ['/chat', {}, ['/chat', '/chat']],
    ['/dynamic-7', {}, '/dynamic-7'],
    ['/', { path: '/other/' }, 'the other path'],
    ['/', { port: OWN_PORT }, 'a port of its own'],
  ])('the namespace %s with %j has its gateway', async (namespace, options, where) => {
    const visitor = await connected({ namespace, ...options });
    visitor.emit('where');
    expect(await next(visitor, 'answer')).toEqual([where]);
    visitor.disconnect();
  });

  it('an unknown namespace is refused', async () => {
    await expect(connected({ namespace: '/none' })).rejects.toThrow('Invalid namespace');
  });

  it('a request-scoped gateway has an instance for each client', async () => {
    const numbers: unknown[] = [];
    for (const visitor of [await connected({ namespace: '/scoped' }), await connected({ namespace: '/scoped' })]) {
      visitor.emit('count');
      numbers.push(...(await next(visitor, 'answer')));
    }
    expect(new Set(numbers).size).toBe(2);
  });

  it('two namespaces of a client share one connection', async () => {
    const chat = client.io.socket('/chat');
    await next(chat, 'connect');
    chat.emit('where');
    expect(await next(chat, 'answer')).toEqual([['/chat', '/chat']]);
    expect(chat.io.engine).toBe(client.io.engine);
    chat.disconnect();
  });

  it('a client that the application disconnects stays away', async () => {
    const visitor = await connected({ auth: { name: 'bob' }, reconnection: true });
    visitor.emit('leave');
    expect((await next(visitor, 'disconnect'))[0]).toBe('io server disconnect');
    await until(() => left.includes('bob'));
  });

  it('a client ends on the transports that it has chosen', async () => {
    await until(() => client.io.engine.transport.name === transports.at(-1));
    expect(await client.emitWithAck('ack', 1)).toBe(1);
  });
});
