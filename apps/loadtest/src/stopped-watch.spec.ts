import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoppedWatch } from './stopped-watch.js';
import { endKey } from './tcp-table.js';

const SERVER = endKey('127.0.0.1', 3000);
const CLIENT = endKey('127.0.0.5', 40_000);
const ESTABLISHED = '01';
const FIN_WAIT_1 = '04';
const CLOSE_WAIT = '08';

/** Rows of `local remote state`. */
function table(...rows: [local: string, remote: string, state: string][]): string[] {
  return [['head', ...rows.map((row, line) => `${line}: ${row.join(' ')} 0`), ''].join('\n')];
}

const BOTH_OPEN = table([CLIENT, SERVER, ESTABLISHED], [SERVER, CLIENT, ESTABLISHED]);

describe('StoppedWatch', () => {
  let watch: StoppedWatch;
  beforeEach(() => {
    watch = new StoppedWatch(3000);
    watch.add(7, { address: '127.0.0.5', port: 40_000 }, 100);
  });

  it('reports nothing while both ends are established', () => {
    expect(watch.examine(BOTH_OPEN, 1000)).toEqual([]);
    expect(watch.size).toBe(1);
  });

  it('detects a FIN that arrived, at some time since the last check', () => {
    watch.examine(BOTH_OPEN, 1000);
    expect(watch.examine(table([CLIENT, SERVER, CLOSE_WAIT]), 1250)).toEqual([
      { index: 7, earliestAt: 1000, at: 1250 },
    ]);
    expect(watch.size).toBe(0);
  });

  it('sees at the server a FIN that waits for room in the client', () => {
    watch.examine(BOTH_OPEN, 1000);
    const waiting = table([CLIENT, SERVER, ESTABLISHED], [SERVER, CLIENT, FIN_WAIT_1]);
    expect(watch.examine(waiting, 1250)).toEqual([{ index: 7, earliestAt: 1000, at: 1250 }]);
  });

  it('believes in an RST when the row is absent twice, and dates it from the first', () => {
    watch.examine(BOTH_OPEN, 1000);
    expect(watch.examine(table(), 1250)).toEqual([]);
    expect(watch.examine(table(), 1500)).toEqual([{ index: 7, earliestAt: 1000, at: 1250 }]);
  });

  it('takes a single absence for a row that was skipped', () => {
    expect(watch.examine(table(), 1000)).toEqual([]);
    expect(watch.examine(BOTH_OPEN, 1250)).toEqual([]);
    expect(watch.examine(table(), 1500)).toEqual([]);
  });

  it('needs no row of a server in another network namespace', () => {
    const alone = table([CLIENT, SERVER, ESTABLISHED]);
    for (const now of [1000, 1250, 1500]) expect(watch.examine(alone, now)).toEqual([]);
  });

  it('detects a missing server end', () => {
    watch.examine(BOTH_OPEN, 1000);
    const alone = table([CLIENT, SERVER, ESTABLISHED]);
    expect(watch.examine(alone, 1250)).toEqual([]);
    expect(watch.examine(alone, 1500)).toEqual([{ index: 7, earliestAt: 1000, at: 1250 }]);
  });

  it('takes no other connection of the same address and port for it', () => {
    const other = endKey('127.0.0.1', 4000);
    const tables = table([CLIENT, other, CLOSE_WAIT], [CLIENT, SERVER, ESTABLISHED], [SERVER, CLIENT, ESTABLISHED]);
    expect(watch.examine(tables, 1000)).toEqual([]);
  });

  it('forgets clients that are not queried', () => {
    watch.forget(7);
    expect(watch.examine(table(), 1000)).toEqual([]);
    expect(watch.size).toBe(0);
  });

  it('reports a time after the last byte when it never checked before', () => {
    expect(watch.examine(table([CLIENT, SERVER, CLOSE_WAIT]), 900)).toEqual([{ index: 7, earliestAt: 100, at: 900 }]);
  });
});
