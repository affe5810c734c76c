/**
 * Prints the rows of the table of foreign clients in docs/protocol.md, in about a minute:
 * `node --import ./test/support/run-typescript.mjs test/e2e/foreign-clients/table.ts [python]`. The argument is another interpreter.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE_CLIENTS, PYTHON_CLIENT } from './cases.js';
import { type FirstReturn, ForeignClients } from './foreign-clients.js';
import { ForeignServer } from './foreign-server.js';

/** The columns of the table, by the cases that they hold. */
const COLUMNS = [['1001', '1012', '1013', '4005'], ['4000'], ['4500'], ['401', '429'], ['503']];
/** The longest first delay is 5 s. */
const FIRST_MS = 12_000;
const LATER_SPEED = 10;
const LATER_MS = 45_000;
const PYTHON = process.argv[2];

async function observe(speed: number, ms: number, cases?: string[]): Promise<ForeignClients> {
  const server = await ForeignServer.start({ refusesReturns: cases !== undefined });
  const clients = new ForeignClients(server, speed, cases, PYTHON);
  await sleep(ms);
  if (!clients.haveMet) throw new Error('a client did not connect');
  await clients.stop();
  await server.stop();
  return clients;
}

function seconds(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function cell(first: FirstReturn): string {
  if (first === null) return 'no';
  const [least, most] = [seconds(first.least), seconds(first.most)];
  if (Number(most) <= 0.1) return 'at once';
  return least === most ? `${most} s` : `${least}–${most} s`;
}

/** The delays of a client whose returns are all refused. */
function later(delays: readonly number[]): string {
  if (delays.length === 0) return 'no';
  const longest = Math.round(Math.max(...delays.slice(-3)));
  const observed = (LATER_MS * LATER_SPEED) / 1000;
  const total = delays.reduce((sum, delay) => sum + delay, 0);
  return total < observed / 3 ? `gives up after ${delays.length}` : `up to ${longest} s apart`;
}

const first = await observe(1, FIRST_MS);
const refused = await observe(LATER_SPEED, LATER_MS, ['4000']);
for (const client of [...NODE_CLIENTS, PYTHON_CLIENT]) {
  const cells = COLUMNS.map(cases =>
    [...new Set(cases.map(name => cell(first.firstReturn(client, name))))].join(' / '),
  );
  console.log(`| ${[client, ...cells, later(refused.returnsOf(client, '4000'))].join(' | ')} |`);
}
process.exit();
