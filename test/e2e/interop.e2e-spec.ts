/** A client that shares no code with the server: Python's `websockets`, as Debian packages it. */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { beatEnv, ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

/** Debian's own interpreter: another one in the path does not see Debian's modules. */
const PYTHON = '/usr/bin/python3';
const INTERVAL_MS = 400;

/**
 * Connects to its first argument, sends a hello, and prints its events as lines of JSON, until the end. A number on stdin is
 * sent as an echo. It sends no pings of its own: its pongs keep it alive.
 */
const CLIENT = `
import asyncio, json, sys, websockets

def tell(**what):
    print(json.dumps(what), flush=True)

async def main():
    async with websockets.connect(sys.argv[1], ping_interval=None, close_timeout=5) as ws:
        tell(opened=True)
        async def ask():
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            while line := await reader.readline():
                await ws.send(json.dumps({"event": "echo", "data": json.loads(line)}))
        asking = asyncio.ensure_future(ask())
        try:
            while True:
                tell(message=await ws.recv())
        except websockets.ConnectionClosed as closed:
            received = closed.rcvd
            tell(code=received and received.code, reason=received and received.reason, clean=closed.sent is not None)
        asking.cancel()

asyncio.run(main())
`;

interface Told {
  readonly opened?: boolean;
  readonly message?: string;
  readonly code?: number | null;
  readonly reason?: string;
  readonly clean?: boolean;
}

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
  await ServerProcess.stopAll();
});

/** A Python client of that address, and its output. */
function python(url: string): { told: Told[]; ask(data: unknown): void } {
  const child = spawn(PYTHON, ['-c', CLIENT, url], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const told: Told[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    told.push(...lines.map(line => JSON.parse(line) as Told));
  });
  return { told, ask: data => child.stdin.write(`${JSON.stringify(data)}\n`) };
}

describe('a client of Python’s websockets', () => {
  beforeAll(() => {
    const { status } = spawnSync(PYTHON, ['-c', 'import websockets'], { stdio: 'ignore' });
    if (status !== 0) {
      throw new Error('python3-websockets is missing: apt-get install -y --no-install-recommends python3-websockets');
    }
  });

  it('echoes, answers the heartbeat over many intervals, and is closed with 1001 by the drain', async () => {
    const server = await ServerProcess.start({
      env: {
        ADMIN_TOKEN: 'a-token-for-tests-only',
        ...beatEnv(INTERVAL_MS, 300),
        DRAIN_SPREAD_MS: '200',
        DRAIN_RETURN_WINDOW_MS: '3000',
      },
    });
    const { told, ask } = python(`ws://127.0.0.1:${server.port}/ws`);
    await until(() => told[0]?.opened, { timeoutMs: 15_000 });

    for (const data of ['grüße', 'x'.repeat(60_000), null]) ask(data);
    await until(() => told.length === 4);
    const echoes = told.slice(1).map(({ message = '' }) => JSON.parse(message) as unknown);
    expect(echoes).toEqual(['grüße', 'x'.repeat(60_000), null].map(data => ({ event: 'echo', data })));

    // The server sees its answers: silent but for them, it is alive, and its round trip is known.
    const since = new Date();
    const alive = await until(
      async () => {
        const [seen] = await connections(server);
        return seen !== undefined && Date.parse(seen.lastSeenAt) > since.getTime() + 5 * INTERVAL_MS ? seen : null;
      },
      { timeoutMs: 15_000 },
    );
    expect(alive).toMatchObject({ missedPongs: 0, rttMs: expect.any(Number) });
    expect(alive.userAgent).toMatch(/^Python\/.* websockets\//);

    server.signal('SIGTERM');
    const end = await until(() => told.find(line => 'code' in line));
    expect(end).toEqual({ code: 1001, reason: expect.stringMatching(/^.+; retry-after=\d{1,4}$/), clean: true });
    expect(await server.exited).toMatchObject({ code: 0, signal: null });
    expect(told).toHaveLength(5);
  });

  it('that opens an unserved path is refused with 404', async () => {
    const server = await ServerProcess.start();
    const { status, stderr } = spawnSync(PYTHON, ['-c', CLIENT, `ws://127.0.0.1:${server.port}/nowhere`], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain('HTTP 404');
  });
});

interface Seen {
  readonly lastSeenAt: string;
  readonly missedPongs: number;
  readonly rttMs: number | null;
  readonly userAgent: string;
}

async function connections(server: ServerProcess): Promise<Seen[]> {
  const headers = { Authorization: 'Bearer a-token-for-tests-only' };
  const answer = await fetch(`${server.url}/admin/connections`, { headers });
  return ((await answer.json()) as { items: Seen[] }).items;
}
