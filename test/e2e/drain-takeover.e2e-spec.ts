// Measures: how long ends of processes take.
/** A process signal and a drain by hand: in the middle, after its end and after its abort. Each server is a process of its own. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { DrainPlan } from 'nestjs-heartbeat';
import { performance } from 'node:perf_hooks';

import { until, watchMachine } from '../support/assert/until.js';
import type { Answer } from '../support/clients/ask.js';
import { EventReader } from '../support/clients/event-reader.js';
import { type NotifiedClient, openNotified } from '../support/clients/notified-client.js';
import type { Exit } from '../support/servers/server-process.js';
import { TestCluster, type TestNode } from '../support/servers/test-cluster.js';

const PLAN = { spreadMs: 400, closeTimeoutMs: 300, deadlineMs: 1500 };
/** The promise: the process ends within the deadline and a second. */
const LATEST_MS = PLAN.deadlineMs + 1000;

const clients: NotifiedClient[] = [];
afterEach(() => {
  clients.splice(0).forEach(client => client.destroy());
  EventReader.closeAll();
});
afterAll(() => TestCluster.stopAll());

async function start(env: Readonly<Record<string, string>> = {}): Promise<TestNode> {
  return (await TestCluster.start({ size: 1, options: { drain: PLAN }, env })).node(0);
}

async function openClients(count: number, { port }: TestNode): Promise<NotifiedClient[]> {
  const opened = await openNotified(count, { port });
  clients.push(...opened);
  return opened;
}

function drain(node: TestNode, body: object): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return node.ask('drain', { method: 'POST', headers, body: JSON.stringify(body) });
}

const abort = (node: TestNode) => node.ask('drain', { method: 'DELETE' });
const plan = async (node: TestNode) => (await node.ask('drain')).json as DrainPlan;

/** How the process ends after a signal; fails when it is still there after the promised time. */
async function endOf({ process }: TestNode, withinMs = LATEST_MS): Promise<Exit> {
  const machineMs = watchMachine();
  let exit: Exit | undefined;
  void process.exited.then(ended => (exit = ended));
  const { ms, ...rest } = await until(() => exit, {
    timeoutMs: withinMs,
    message: () => `the process to end:\n${process.output.slice(-1000)}`,
  });
  return { ...rest, ms: ms - machineMs() };
}

async function expectNotified(notified: readonly NotifiedClient[]): Promise<void> {
  await Promise.all(notified.map(({ ended }) => ended));
  expect(notified.filter(({ closeFrame, advice }) => closeFrame?.code !== 1001 || advice === null)).toHaveLength(0);
}

describe('SIGTERM', () => {
  it('in the middle of a drain by hand ends it within drain.deadlineMs: all clients are notified', async () => {
    const node = await start();
    const opened = await openClients(100, node);
    const reader = await EventReader.following({
      port: node.port,
      path: 'events?types=drain-started,drain-taken-over,drain-ended',
    });
    expect((await drain(node, { spreadMs: 600_000, returnWindowMs: 1000 })).status).toBe(202);
    await until(async () => (await plan(node)).reason === 'by hand: ops');
    const signalledAt = performance.now();
    node.process.signal('SIGTERM');
    await until(() => node.process.output.includes('is taken over'));
    const refused = await abort(node);
    expect([refused.status, refused.json]).toEqual([
      409,
      expect.objectContaining({ type: 'urn:nestjs-heartbeat:problem:drain-final' }),
    ]);
    expect(await plan(node)).toMatchObject({
      state: 'draining',
      reason: 'SIGTERM',
      final: true,
      spreadMs: expect.any(Number),
    });
    expect(await endOf(node)).toMatchObject({ code: 0, signal: null });
    await expectNotified(opened);
    await reader.ended();
    expect(reader.types.slice(1)).toEqual(['drain-started', 'drain-taken-over', 'drain-ended']);
    expect(reader.of('drain-taken-over')).toMatchObject([{ reason: 'SIGTERM', total: 100 }]);
    expect([reader.endedWell, reader.retries.length]).toEqual([true, 2]);
    expect(Math.max(...opened.map(({ advice }) => advice!.retryAfterMs))).toBeLessThanOrEqual(1000);
    expect(Math.max(...opened.map(({ notifiedAt }) => notifiedAt!)) - signalledAt).toBeLessThan(PLAN.deadlineMs);
  });

  it('destroys clients that do not answer at the deadline of the options', async () => {
    const node = await start();
    for (const client of await openClients(20, node)) client.silent();
    await drain(node, { spreadMs: 0, deadlineMs: 600_000 });
    node.process.signal('SIGTERM');
    expect(await endOf(node)).toMatchObject({ code: 0, signal: null });
  });

  it('after an abort drains as ever', async () => {
    const node = await start();
    const opened = await openClients(20, node);
    await drain(node, { spreadMs: 600_000 });
    expect((await abort(node)).status).toBe(200);
    opened.push(...(await openClients(20, node)));
    node.process.signal('SIGTERM');
    expect(await endOf(node)).toMatchObject({ code: 0, signal: null });
    await expectNotified(opened);
    expect(node.process.output).toMatch(/drain begins with \d+ connections: SIGTERM/);
  });

  it('twice ends a drain by hand at once', async () => {
    const node = await start();
    await openClients(20, node);
    await drain(node, { spreadMs: 600_000 });
    node.process.signal('SIGTERM');
    node.process.signal('SIGINT');
    expect((await endOf(node, 1000)).signal).not.toBe('SIGKILL');
    expect(node.process.output).toContain('second signal');
  });
});

describe('a drain by hand', () => {
  it('must fit into the grace of the orchestrator, where that is known', async () => {
    const node = await start({ TERMINATION_GRACE_PERIOD_SECONDS: '3' });
    await openClients(1, node);
    expect(await plan(node)).toMatchObject({ graceMs: 3000, estimatedMs: 700, fits: true });
    const { status, json } = await drain(node, { spreadMs: 2000 });
    expect([status, json.type, json.excessMs]).toEqual([400, expect.stringMatching(/:plan-does-not-fit$/), 300]);
    expect(json.detail).toContain("300 ms more than the orchestrator's grace of 3000 ms leaves");
    expect(await drain(node, { spreadMs: 2000, force: true })).toMatchObject({ status: 202, json: { fits: false } });
  });

  it('keeps the process, whose open requests are answered; SIGTERM after its end ends the process at once', async () => {
    const node = await start();
    const opened = await openClients(20, node);
    await drain(node, {});
    await expectNotified(opened);
    await until(async () => (await plan(node)).state === 'drained');
    for (const path of ['connections', 'nodes', 'closed', 'bans', 'doctor'])
      expect((await node.ask(path)).status).toBe(200);
    const { json } = await node.ask('closed');
    expect((json as { items: unknown[] }).items).toHaveLength(20);
    node.process.signal('SIGTERM');
    const exit = await endOf(node);
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.ms).toBeLessThan(700);
  });
});
