import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { Agent, createServer as createHttpServer, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { MessageChannel, Worker } from 'node:worker_threads';

import { watchLeaks } from './leaks.js';
import { until } from './until.js';

/** Long enough for any end to be noticed, short enough for a leak that stays. */
const SHORT_MS = 50;

function ignore(): void {}

describe('watchLeaks', () => {
  const ends: (() => unknown)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  it.each<[string, () => (() => unknown) | Promise<() => unknown>]>([
    [
      'Timeout',
      () => {
        const timer = setInterval(() => undefined, 60_000);
        return () => clearInterval(timer);
      },
    ],
    [
      'TCPSERVERWRAP',
      async () => {
        const server = createServer().listen(0, '127.0.0.1');
        await once(server, 'listening');
        return () => void server.close();
      },
    ],
    [
      'TCPWRAP',
      async () => {
        const accepted: Socket[] = [];
        const server = createServer(socket => accepted.push(socket)).listen(0, '127.0.0.1');
        await once(server, 'listening');
        const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
        await once(server, 'connection');
        return () => {
          for (const one of [socket, ...accepted]) one.destroy();
          server.close();
        };
      },
    ],
    [
      'PROCESSWRAP',
      () => {
        const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)'], { stdio: 'ignore' });
        return () => void child.kill('SIGKILL');
      },
    ],
    [
      'WORKER',
      () => {
        const worker = new Worker('setInterval(() => {}, 60_000)', { eval: true });
        return () => worker.terminate();
      },
    ],
    [
      'MESSAGEPORT',
      () => {
        const { port1, port2 } = new MessageChannel();
        port1.on('message', () => undefined);
        return () => [port1, port2].forEach(port => port.close());
      },
    ],
    [
      'FSEVENTWRAP',
      () => {
        const watcher = watch(import.meta.dirname, () => undefined);
        return () => watcher.close();
      },
    ],
    [
      'a listener of SIGHUP',
      () => {
        process.on('SIGHUP', ignore);
        return () => void process.off('SIGHUP', ignore);
      },
    ],
  ])('names what is left of %s, until it has ended', async (name, begin) => {
    const assertNothingLeft = watchLeaks();
    const end = await begin();
    ends.push(end);
    await expect(assertNothingLeft(SHORT_MS)).rejects.toThrow(name);
    await end();
    await assertNothingLeft();
  });

  it('finds the end of a connection that was taken by several requests', async () => {
    const server = createHttpServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const assertNothingLeft = watchLeaks();
    const agent = new Agent({ keepAlive: true });
    const end = () => {
      agent.destroy();
      server.closeAllConnections();
    };
    ends.push(() => void server.close(), end);
    for (let sent = 0; sent < 3; sent++) {
      const request = get({ agent, port: (server.address() as AddressInfo).port });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      expect(request.reusedSocket).toBe(sent > 0);
      await once(response.resume(), 'end');
      await until(() => Object.keys(agent.freeSockets).length === 1);
    }
    await expect(assertNothingLeft(SHORT_MS)).rejects.toThrow('TCPWRAP');
    end();
    await assertNothingLeft();
  });

  it('names the line that made it', async () => {
    const assertNothingLeft = watchLeaks();
    const timer = setInterval(() => undefined, 60_000);
    ends.push(() => clearInterval(timer));
    await expect(assertNothingLeft(SHORT_MS)).rejects.toThrow('Timeout made at test/support/assert/leaks.spec.ts:');
  });

  it('finds what is left among many that have ended', async () => {
    const assertNothingLeft = watchLeaks();
    const timer = setInterval(() => undefined, 60_000);
    ends.push(() => clearInterval(timer));
    for (let count = 0; count < 5000; count++) clearTimeout(setTimeout(() => undefined, 60_000));
    await expect(assertNothingLeft(SHORT_MS)).rejects.toThrow('Timeout made at');
    clearInterval(timer);
    await assertNothingLeft();
  });
});
