/**
 * A server for invalid input. Beside each test a well-behaved client echoes all the time; after each, it must not be affected, the
 * process must be the same, and the registry must hold no other connection.
 */
import { afterAll, afterEach, beforeEach, expect } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { Probe } from '../support/assert/probe.js';
import { RawClient, type RawClientOptions } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { Stalls } from '../support/faults/stalls.js';
import { until, watchMachine } from '../support/assert/until.js';

export const MAX_MESSAGE_BYTES = 65_536;
export const MAX_FRAGMENTS = 16;
export const MESSAGE_TIMEOUT_MS = 1000;

/** The longest wait of the probe for a reply: a busy machine takes some of it. */
const NOTICED_MS = 500;
const ADMIN_TOKEN = 'a-token-for-tests-only';

let server: ServerProcess | null = null;
let pid = 0;
let probe: Probe;
let stalls: Stalls;
let machineMs: () => number;
const clients: RawClient[] = [];

/** Starts a server for the tests of a file, and fails each test that affects the other clients of the server. */
export function probeServer(): void {
  beforeEach(async () => {
    if (server === null || isGone(server.pid)) {
      server = await ServerProcess.start({
        env: {
          ADMIN_TOKEN,
          LIMITS_MAX_FRAGMENTS: `${MAX_FRAGMENTS}`,
          LIMITS_MESSAGE_TIMEOUT_MS: `${MESSAGE_TIMEOUT_MS}`,
          DRAIN_CLOSE_TIMEOUT_MS: '500',
        },
      });
    }
    pid = server.pid;
    probe = await Probe.start(server.port);
    stalls = Stalls.watch();
    machineMs = watchMachine();
  });

  afterEach(async () => {
    try {
      const complaints = await aftermath();
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    } finally {
      stalls.stop();
      probe.stop();
    }
    await until(async () => (await connections()) === 0, { message: 'an empty registry' });
  });

  afterAll(() => ServerProcess.stopAll());
}

/** The traces of the test that affect other clients; empty when there are none. */
async function aftermath(): Promise<string[]> {
  if (isGone(pid)) return [`the process has ended:\n${server?.output.slice(-2000)}`];
  const answered = probe.answers;
  await until(() => probe.answers > answered + 3, { message: 'more answers for the probe' });
  for (const one of clients.splice(0)) one.destroy();
  await until(async () => (await connections()) === 1, { message: "no connection but the probe's" });
  const allowedMs = NOTICED_MS + stalls.longestMs + machineMs();
  const slow = probe.slowestMs < allowedMs ? [] : [`waited ${probe.slowestMs} ms for an answer`];
  return [...probe.complaints, ...slow].map(complaint => `the probe ${complaint}`);
}

function isGone(id: number): boolean {
  try {
    process.kill(id, 0);
    return false;
  } catch {
    return true;
  }
}

/** The number of connections in the server's registry. */
export async function connections(): Promise<number> {
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const answer = await fetch(`${server?.url}/admin/connections?limit=1`, { headers });
  return ((await answer.json()) as { total: number }).total;
}

export function client(options: Partial<RawClientOptions> = {}): RawClient {
  const made = new RawClient({ port: server?.port ?? 0, ...options });
  clients.push(made);
  return made;
}

export async function opened(): Promise<RawClient> {
  const made = client();
  expect(await made.open()).toMatchObject({ status: 101 });
  return made;
}

/** Whether the server still replies to this client, after the messages that the client has sent before. */
export async function serves(one: RawClient, event = 'echo', of = server): Promise<boolean> {
  const data = `still there ${performance.now()}`;
  one.sendEvent(event, data);
  const answer = JSON.stringify({ event, data });
  await until(() => one.texts.includes(answer), { message: () => `an answer:\n${of?.stderr.slice(-500)}` });
  return true;
}
