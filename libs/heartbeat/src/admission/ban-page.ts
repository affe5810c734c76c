import { inSlices } from '../base/slices.js';
import { type Ban, type BanKind, type BanTarget, type TargetBans, targetOf } from './ban-index.js';

/** The query of one page of the bans in force. */
export interface BanQuery {
  readonly limit: number;
  /** Only bans with a higher id; null for the first page. */
  readonly after: string | null;
  readonly kind?: BanKind;
  /** A user's id, or an address or CIDR in any spelling. */
  readonly value?: string;
}

export interface BanPage {
  /** In the order of their ids. */
  readonly items: readonly Ban[];
  /** Number of bans that match, on all pages. */
  readonly total: number;
  readonly hasMore: boolean;
}

/** The page of a query, collected in slices: 100,000 bans in one turn would hold the event loop for 20 ms. */
export async function pageOfBans(
  all: Iterable<TargetBans>,
  query: BanQuery,
  show: (bans: TargetBans) => Ban,
): Promise<BanPage> {
  const { limit, after, kind } = query;
  const isMeant = matcherOf(query);
  /** The first `limit` bans so far, sorted. */
  const first: { readonly id: string; readonly bans: TargetBans }[] = [];
  let total = 0;
  let candidates = 0;
  await inSlices(all, bans => {
    const { id, kind: shownKind } = bans.held[0] ?? { id: null, kind: null };
    if (id === null || (kind !== undefined && shownKind !== kind) || !isMeant(bans.target)) return;
    total++;
    if (after !== null && id <= after) return;
    candidates++;
    const last = first.at(-1);
    if (first.length === limit && last !== undefined && id > last.id) return;
    first.splice(placeOf(first, id), 0, { id, bans });
    if (first.length > limit) first.pop();
  });
  const items = first.filter(({ bans }) => bans.held.length > 0).map(({ bans }) => show(bans));
  return { items, total, hasMore: candidates > limit };
}

/** The position of an id in a sorted list. */
function placeOf(sorted: readonly { readonly id: string }[], id: string): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (sorted[middle]!.id < id) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Whether a target equals `value`, which may be a user, an address or a CIDR. */
function matcherOf({ value, kind }: BanQuery): (target: BanTarget) => boolean {
  if (value === undefined) return () => true;
  const network = targetOf('ip', value) ?? targetOf('cidr', value);
  const text = network && 'network' in network ? keyOf(network) : null;
  return target =>
    'user' in target ? kind !== 'ip' && kind !== 'cidr' && target.user === value : keyOf(target) === text;
}

function keyOf(target: BanTarget): string | null {
  if ('user' in target) return null;
  const { family, prefix, groups } = target.network;
  return `${family} ${prefix} ${groups.join(' ')}`;
}
