/** Sockets that say nothing are bounded by time and number, so that probes and upgrades get in; clients of the application are not harmed. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerTo, SharedPort, upgradeHead } from '../support/servers/shared-port.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {}

@Controller()
class Routes {
  @Get('slow')
  async slow() {
    await sleep(1500);
    return 'slow';
  }
}

afterEach(() => SharedPort.closeAll());

const PROBE = 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n';

describe.each(['express', 'fastify', 'https'] as const)('On %s', platform => {
  const start = () =>
    SharedPort.start({
      platform,
      gateways: [AppGateway],
      controllers: [Routes],
      options: { limits: { handshakeTimeoutMs: 400 } },
    });

  it.each<[string, string]>([
    ['sends nothing', ''],
    ['sends half a head', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: '],
  ])('a socket that %s is closed after handshakeTimeoutMs', async (_what, bytes) => {
    const shared = await start();
    const socket = await shared.socket();
    const startedAt = performance.now();
    socket.resume().write(bytes);
    await once(socket, 'close');
    expect(performance.now() - startedAt).toBeGreaterThan(300);
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });

  it('a kept connection with half a head is closed after handshakeTimeoutMs', async () => {
    const shared = await start();
    const socket = await shared.socket();
    await answerTo(socket, PROBE, /"status"[^]*\}$/);
    socket.resume().write('GET / HT');
    await once(socket, 'close');
    expect(socket.bytesWritten).toBe(PROBE.length + 'GET / HT'.length);
  });

  it('a client that keeps its connection, and one whose answer is slow, are not cut', async () => {
    const shared = await start();
    const socket = await shared.socket();
    const slow = shared.exchange('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', /slow$/);
    for (let round = 0; round < 4; round++) {
      expect(await answerTo(socket, PROBE, /"status"[^]*\}$/)).toContain('HTTP/1.1 200');
      await sleep(300);
    }
    expect(await slow).toContain('HTTP/1.1 200');
    expect(await answerTo(socket, upgradeHead('/ws'), /\r\n\r\n/)).toContain('HTTP/1.1 101');
    await sleep(900);
    expect(socket.destroyed).toBe(false);
  });
});

it('a socket that does not begin the TLS handshake is closed', async () => {
  const shared = await SharedPort.start({
    platform: 'https',
    gateways: [AppGateway],
    options: { limits: { handshakeTimeoutMs: 300 } },
  });
  const socket = connect(shared.port, '127.0.0.1');
  await once(socket.resume(), 'close');
  expect(socket.bytesRead).toBe(0);
});

it('an application that handles checkContinue itself keeps its requests', async () => {
  const shared = await SharedPort.start({
    gateways: [AppGateway],
    options: { limits: { handshakeTimeoutMs: 200 } },
    afterListen: server =>
      server.on('checkContinue', (_request, response) => void setTimeout(() => response.end('late'), 1500)),
  });
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n';
  expect(await shared.exchange(head, /late/)).toContain('HTTP/1.1 200');
});

/** An application as a process of its own; resolves with its port, and how to end it. */
async function limited(limits: object): Promise<{ port: number; end: () => Promise<unknown> }> {
  const command =
    'ulimit -n 300; exec node --import ./test/support/run-typescript.mjs test/support/servers/user-app.ts';
  const env = { ...process.env, OPTIONS: JSON.stringify({ limits }) };
  const child = spawn('bash', ['-c', command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const match = await until(() => /listening at \S*:(\d+)/.exec(output), {
    timeoutMs: 20_000,
    message: () => output,
  });
  return {
    port: Number(match[1]),
    end: async () => {
      expect(output).not.toContain('ERROR');
      child.kill('SIGKILL');
      return exited;
    },
  };
}

describe('With 300 open files', () => {
  const BODY = 'POST /ws HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';

  it.each<[string, string, object]>([
    ['silent sockets', '', { maxPerIp: 5 }],
    ['silent sockets, without a limit by address', '', {}],
    ['slow heads', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: ', {}],
    ['slow bodies', BODY, { maxPerIp: 5 }],
    ['idle connections', PROBE, {}],
  ])('400 %s of one address keep neither probes nor upgrades out', async (_what, bytes, limits) => {
    const { port, end } = await limited(limits);
    const sockets: Socket[] = [];
    for (let index = 0; index < 400; index++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      sockets.push(socket.on('error', () => undefined).resume());
      if (bytes !== '') socket.write(bytes);
      if (index % 25 === 0) await once(socket, 'connect');
    }
    for (const localAddress of ['127.0.0.2', '127.0.0.3']) {
      for (let round = 0; round < 5; round++) {
        const agent = new Agent({ localAddress });
        const status = await new Promise(resolve => {
          const request = get({ port, path: '/health/live', agent, localAddress }, response => {
            resolve(response.resume().statusCode);
          });
          request.on('error', resolve);
        });
        agent.destroy();
        expect(status).toBe(200);
      }
      const socket = connect({ port, host: '127.0.0.1', localAddress });
      sockets.push(socket.on('error', () => undefined));
      expect(await answerTo(socket, upgradeHead('/ws'), /\r\n\r\n/)).toContain('HTTP/1.1 101');
    }
    for (const socket of sockets) socket.destroy();
    await end();
  });
});
