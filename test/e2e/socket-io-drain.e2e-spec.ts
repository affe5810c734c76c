/** What a drain waits for in Socket.IO: handlers of events, and the acknowledgements that they wait for. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Connection, CurrentConnection, DrainService } from 'nestjs-heartbeat';
import type { Socket } from 'socket.io';
import type { Socket as Client } from 'socket.io-client';
import { until } from '../support/assert/until.js';
import { IoApp } from '../support/servers/io-app.js';

/** Events whose handler has begun, and handlers that wait for their end. */
const seen = { begun: [] as unknown[], ends: [] as (() => void)[] };

@WebSocketGateway()
class WorkGateway {
  /** Ends when the test ends it. */
  @SubscribeMessage('slow')
  async slow(@MessageBody() data: unknown): Promise<unknown> {
    seen.begun.push(data);
    await new Promise<void>(resolve => seen.ends.push(resolve));
    return data;
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): unknown {
    seen.begun.push(data);
    return data;
  }

  /** Asks its client, when the test lets it. */
  @SubscribeMessage('ask')
  async ask(@ConnectedSocket() client: Socket): Promise<unknown> {
    seen.begun.push('ask');
    await new Promise<void>(resolve => seen.ends.push(resolve));
    return (await client.emitWithAck('question')) as unknown;
  }

  @SubscribeMessage('busy')
  busy(@CurrentConnection() connection: Connection): string {
    connection.busy('a call', { atMostMs: 1000 });
    return 'busy';
  }
}

beforeEach(() => {
  Object.assign(seen, { begun: [], ends: [] });
});
afterEach(async () => {
  endAll();
  await IoApp.closeAll();
});

function endAll(): void {
  for (const end of seen.ends.splice(0)) end();
}

const start = () =>
  IoApp.start({ gateways: [WorkGateway], options: { drain: { workTimeoutMs: 10_000, deadlineMs: 20_000 } } });
const drainOf = ({ app }: IoApp) => app.get(DrainService);

/** The answers to acknowledged events, in the order of their arrival. */
function sender(client: Client) {
  const answers: unknown[] = [];
  const send = (event: string, ...data: unknown[]) =>
    void client.emit(event, ...data, (answer: unknown) => answers.push(answer));
  return { answers, send };
}

describe.each(['websocket', 'polling'])('a client of Socket.IO by %s, in a drain', transport => {
  it('receives the reply of a handler in flight, and then the close; a later event does not begin', async () => {
    const app = await start();
    const client = await app.connected({ transports: [transport] });
    const { answers, send } = sender(client);
    let reason: string | undefined;
    client.on('disconnect', why => (reason = why));
    send('slow', 1);
    await until(() => seen.begun.length === 1);
    const result = drainOf(app).start('a test');
    send('echo', 2);
    await until(() => app.connections.list().items[0]!.messagesIn === 2);
    expect([seen.begun, reason]).toEqual([[1], undefined]);
    endAll();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    await until(() => reason !== undefined);
    expect([answers, seen.begun, reason]).toEqual([[1], [1], 'transport close']);
  });

  it.each<[string, unknown]>([
    ['a text', 'yes'],
    ['binary values', { first: Buffer.from('a'), second: Buffer.from('b') }],
  ])('answers the question of a handler with %s, past events that wait', async (_what, answer) => {
    const app = await start();
    const client = await app.connected({ transports: [transport] });
    const { answers, send } = sender(client);
    client.on('question', (reply: (answer: unknown) => void) => reply(answer));
    send('ask');
    await until(() => seen.begun.length === 1);
    const result = drainOf(app).start('a test');
    send('echo', Buffer.from('waits'));
    send('echo', 'waits too');
    await until(() => app.connections.list().items[0]!.messagesIn === 3);
    endAll();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    await until(() => answers.length === 1);
    expect([answers, seen.begun]).toEqual([[answer], ['ask']]);
  });

  it('has its events handled after an abort, in their order', async () => {
    const app = await start();
    const client = await app.connected({ transports: [transport] });
    const { answers, send } = sender(client);
    send('slow', 1);
    await until(() => seen.begun.length === 1);
    const result = drainOf(app).start('a test');
    const binary = Buffer.from('binary');
    for (const data of [2, binary, 3]) send('echo', data);
    await until(() => app.connections.list().items[0]!.messagesIn === 4);
    drainOf(app).abort();
    expect(await result).toMatchObject({ aborted: true });
    await until(() => answers.length === 3);
    endAll();
    await until(() => answers.length === 4);
    expect([seen.begun, answers, client.connected]).toEqual([[1, 2, binary, 3], [2, binary, 3, 1], true]);
  });

  it('is waited for under a lease, with its events', async () => {
    const app = await start();
    const client = await app.connected({ transports: [transport] });
    const { answers, send } = sender(client);
    send('busy');
    await until(() => answers.length === 1);
    const result = drainOf(app).start('a test');
    send('echo', 1);
    await until(() => answers.length === 2);
    expect([answers, client.connected]).toEqual([['busy', 1], true]);
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
  });
});
