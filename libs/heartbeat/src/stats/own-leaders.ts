import { networkLabel } from '../base/network-address.js';
import { inSlices } from '../base/slices.js';
import type { Connection } from '../connection/connection.js';
import type { Registry } from '../connection/registry.js';
import type { RecentKeys } from '../node/recent-keys.js';
import type { Leader, LeaderGroup, LeaderValue } from './leaders.types.js';

/** The candidates of one node, the largest first. */
export interface Candidates {
  readonly items: readonly Leader[];
  /** Whether values may be too low, or a key may be missing beside those that the limit leaves out. */
  readonly isApproximate: boolean;
  /** Time that counts cover, in milliseconds; 0 for values of connections. */
  readonly windowMs: number;
}

type ConnectionValue = Exclude<LeaderValue, 'reconnects' | 'refusals'>;

export function isOfConnections(by: LeaderValue): by is ConnectionValue {
  return by !== 'reconnects' && by !== 'refusals';
}

function valueOf(connection: Connection, by: ConnectionValue): number {
  return by === 'bufferedBytes' ? connection.channel.bytesWaiting : connection[by];
}

/** The largest connections, or groups of connections, in slices. */
export async function largest(
  registry: Registry,
  by: ConnectionValue,
  group: LeaderGroup,
  limit: number,
): Promise<Candidates> {
  const connections = [...registry.all()];
  if (group === 'connection') {
    const top = new Top<Connection>(limit);
    await inSlices(connections, connection => top.offer(connection, valueOf(connection, by)));
    const items = top.sorted().map(([{ id, userId, ip }, value]) => ({ key: id, value, connections: 1, userId, ip }));
    return { items, isApproximate: false, windowMs: 0 };
  }
  const sums = new Map<string, { value: number; connections: number }>();
  await inSlices(connections, connection => {
    const key = group === 'user' ? connection.userId : registry.networkOf(connection);
    if (key === null) return;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { value: valueOf(connection, by), connections: 1 });
    else {
      sum.value += valueOf(connection, by);
      sum.connections++;
    }
  });
  const top = new Top<string>(limit);
  await inSlices(sums, ([key, { value }]) => top.offer(key, value));
  const items = top.sorted().map(([key, value]) => ofGroup(key, group, value, sums.get(key)!.connections));
  return { items, isApproximate: false, windowMs: 0 };
}

/**
 * The most frequent keys of the last minutes.
 * @param keys Openings of connections, or refusals.
 * @param by For reconnects, connections that are still open do not count.
 */
export function mostFrequent(
  registry: Registry,
  keys: RecentKeys,
  { by, group, now, limit }: { by: LeaderValue; group: 'user' | 'ip'; now: number; limit: number },
): Candidates {
  const { counts, missing, windowMs } = keys.read(now);
  const open = (key: string) => (group === 'user' ? registry.byUser : registry.byNetwork).count(key);
  const top = new Top<string>(limit);
  for (const [key, count] of counts) top.offer(key, by === 'reconnects' ? count - open(key) : count);
  const items = top.sorted().map(([key, value]) => ofGroup(key, group, value, open(key)));
  return { items, isApproximate: missing > 0, windowMs };
}

function ofGroup(key: string, group: LeaderGroup, value: number, connections: number): Leader {
  return { key: group === 'ip' ? networkLabel(key) : key, value, connections, userId: null, ip: null };
}

/** The largest few of many, without sorting all. Values of zero and less are not offers. */
export class Top<Item> {
  readonly #places: (readonly [item: Item, value: number])[] = [];

  constructor(private readonly limit: number) {}

  offer(item: Item, value: number): void {
    const places = this.#places;
    if (value <= 0 || (places.length === this.limit && value <= places.at(-1)![1])) return;
    let at = places.length;
    while (at > 0 && places[at - 1]![1] < value) at--;
    places.splice(at, 0, [item, value]);
    if (places.length > this.limit) places.pop();
  }

  /** The largest first; of equal ones the first that was offered. */
  sorted(): readonly (readonly [item: Item, value: number])[] {
    return this.#places;
  }
}
