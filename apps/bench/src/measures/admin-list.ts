import { SORT_KEYS } from '../../../../libs/heartbeat/src/connection/listing/connection-query.js';
import { percentile } from '../../../loadtest/src/statistics.js';
import { VIEWER_TOKEN } from '../server/bench-server.js';
import type { StagedMeasure } from './measure.js';

/** The first page by every key, both ways round, one after the other. */
export const adminList: StagedMeasure = {
  name: 'admin-list',
  stage: 'connected',
  finds: 'time and longest stall of a page of the admin list, by any sort key',
  servers: ['heartbeat'],
  async take({ server, port, plan }) {
    const times: number[] = [];
    const timesByOpening: number[] = [];
    const pages = SORT_KEYS.flatMap(pagesBy);
    // The code is compiled and the line is open before it counts.
    for (const page of pages) await list(port, page);
    await server.ask('watchLoop');
    for (let turn = 0; turn < plan.listings; turn += 1) {
      for (const page of pages) times.push(await list(port, page));
    }
    const stall = await server.ask('longestStall');
    // More of them: the longest of a few says little.
    for (let turn = 0; turn < plan.listings * 5; turn += 1) {
      for (const page of pagesBy('openedAt')) timesByOpening.push(await list(port, page));
    }
    return { listP99: p99(times), listOpenedP99: p99(timesByOpening), listStall: stall };
  },
};

function pagesBy(sort: string): string[] {
  return ['asc', 'desc'].map(order => `sort=${sort}&order=${order}`);
}

function p99(times: readonly number[]): number {
  const sorted = times.toSorted((one, other) => one - other);
  return percentile(sorted, 0.99) ?? Number.NaN;
}

async function list(port: number, page: string): Promise<number> {
  const from = performance.now();
  const headers = { authorization: `Bearer ${VIEWER_TOKEN}` };
  const answer = await fetch(`http://127.0.0.1:${port}/admin/connections?${page}`, { headers });
  const { items } = (await answer.json()) as { items?: unknown[] };
  if (items?.length !== 50) throw new Error(`the admin list answered ${answer.status}, and no page of 50`);
  return performance.now() - from;
}
