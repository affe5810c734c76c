// Measures: what a drain does to handlers of 0.1 to 3 s.
/** 1,000 clients whose handlers take 0.1 to 3 s, under a steady flow of messages, and then SIGTERM. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NotifiedClient, openNotified } from '../support/clients/notified-client.js';
import { Program } from '../support/servers/program.js';
import { type Exit, ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';
import type { WorkDone } from './work-app.js';

const CLIENTS = 1000;
const [SHORTEST_MS, LONGEST_MS] = [100, 3000];
/** Every client sends a message a second, and the work timeout has room for a busy machine. */
const FLOW = { stepMs: 20, perStep: 20 };
const PLAN = { spreadMs: 2000, closeTimeoutMs: 2000, workTimeoutMs: 15_000, deadlineMs: 20_000 };

describe('a drain under a steady flow of messages', () => {
  let program: Program;
  let folder: string;
  let clients: NotifiedClient[] = [];
  let flow: NodeJS.Timeout | undefined;
  const sent: { readonly id: string; readonly client: NotifiedClient; readonly afterSignal: boolean }[] = [];
  let done: WorkDone;
  let exit: Exit;
  let output = '';

  beforeAll(async () => {
    program = await Program.compile('e2e/work-app');
    folder = await mkdtemp(join(tmpdir(), 'work-'));
    const record = join(folder, 'record.json');
    const env = { RECORD: record, OPTIONS: JSON.stringify({ drain: PLAN }) };
    const server = await ServerProcess.start({ entry: program.entry, env });
    clients = await openNotified(CLIENTS, { port: server.port });
    let isSignalled = false;
    flow = setInterval(() => {
      for (let each = 0; each < FLOW.perStep; each++) {
        const client = clients[sent.length % CLIENTS]!;
        const id = `m${sent.length}`;
        const ms = SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS);
        sent.push({ id, client, afterSignal: isSignalled });
        if (!client.socket.destroyed && client.closeFrame === null) client.sendEvent('work', { id, ms });
      }
    }, FLOW.stepMs);
    // As many have begun as end: each handler takes at most 3 s.
    await until(() => sent.length >= 4 * CLIENTS, { timeoutMs: 20_000 });
    isSignalled = true;
    server.signal('SIGTERM');
    exit = await server.exited;
    output = server.output;
    clearInterval(flow);
    await Promise.all(clients.map(({ ended }) => ended));
    done = JSON.parse(await readFile(record, 'utf8')) as WorkDone;
  });

  afterAll(async () => {
    clearInterval(flow);
    clients.forEach(client => client.destroy());
    await ServerProcess.stopAll();
    await program.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('leaves no message begun without its reply', () => {
    const replied = new Set(clients.flatMap(({ json }) => (json as { data: string }[]).map(({ data }) => data)));
    expect(done.begun.filter(id => !replied.has(id))).toEqual([]);
    expect(done.begun.length).toBeGreaterThan(3 * CLIENTS);
    expect(replied.size).toBe(done.begun.length);
  });

  it('sends each reply before the close frame', () => {
    for (const { messages, notifiedAt } of clients) {
      expect(notifiedAt).not.toBeNull();
      expect(messages.filter(({ at }) => at > notifiedAt!)).toEqual([]);
    }
  });

  it('begins messages of connections that it has not reached, and none of those for which it waits', () => {
    const begun = new Set(done.begun);
    const late = sent.filter(({ afterSignal }) => afterSignal);
    const lateBegun = late.filter(({ id }) => begun.has(id)).length;
    expect(lateBegun).toBeGreaterThan(0);
    expect(late.length - lateBegun).toBeGreaterThan(0);
  });

  it('ends before the hooks of the application release what handlers use', () => {
    expect(done.tooLate).toBe(0);
  });

  it('ends in time, with every client closed by 1001', () => {
    expect([exit.code, exit.signal]).toEqual([0, null]);
    expect(clients.every(({ closeFrame }) => closeFrame?.code === 1001)).toBe(true);
    expect(output).toMatch(/drain ended after \d+ ms: 1000 connections were closed(?!,)/);
    expect(output).not.toContain('drain.workTimeoutMs ended work');
  });
});
