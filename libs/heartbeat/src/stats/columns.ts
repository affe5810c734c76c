import { REFUSAL_REASONS } from '../connection/heartbeat.events.js';
import type { OutboundPolicy } from '../connection/ports.js';
import type { LoadSource } from '../node/load-state.js';
import type { NodeState } from '../node/node-state.js';

/** The state that is sampled once a second. */
export interface StatsSources {
  readonly node: NodeState;
  readonly connections: { readonly count: number; readonly openedCount: number };
  readonly outbound: Pick<OutboundPolicy, 'bufferedBytes'>;
  /** Refused upgrades since the start, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/**
 * - `total`: increases; a sample is its increase.
 * - `late`: the same, and it is known some seconds after the others.
 * - `level`: a value of the moment.
 */
type Kind = 'total' | 'late' | 'level';

/** One series. */
export interface Column {
  readonly name: string;
  readonly kind: Kind;
  /** The value of several samples. */
  readonly overTime: 'sum' | 'last' | 'max';
  /** The value of several nodes. */
  readonly overNodes: 'sum' | 'max';
  /** Decimal places in responses. */
  readonly digits: number;
  /** Whether a response leaves it out where it is zero throughout. */
  readonly isRare: boolean;
}

export interface ReadColumn extends Column {
  /** Reads the total or the level. */
  readonly read: (sources: StatsSources) => number;
}

const SOURCES: readonly LoadSource[] = ['event-loop', 'heap', 'memory', 'cpu'];
const SIDES = ['client', 'server', 'operator', 'network'] as const;

const total = (name: string, read: ReadColumn['read']): ReadColumn => ({
  name,
  kind: 'total',
  overTime: 'sum',
  overNodes: 'sum',
  digits: 0,
  isRare: false,
  read,
});
const rare = (name: string, read: ReadColumn['read']): ReadColumn => ({ ...total(name, read), isRare: true });
const late = (name: string): ReadColumn => ({ ...total(name, () => Number.NaN), kind: 'late' });
const level = (
  name: string,
  { overTime = 'max', overNodes = 'max', digits = 0 }: Partial<Column>,
  read: ReadColumn['read'],
): ReadColumn => ({ name, kind: 'level', overTime, overNodes, digits, isRare: false, read });

/** Every series but those of `DERIVED`. The codes are the ones that are counted; all others are `other`. */
export function columnsFor(codes: readonly string[]): readonly ReadColumn[] {
  return [
    level('connections', { overTime: 'last', overNodes: 'sum' }, ({ connections }) => connections.count),
    total('opened', ({ connections }) => connections.openedCount),
    total('closed', ({ node }) => node.totals.closed.durations.count),
    ...SIDES.map(by => rare(`closed.by.${by}`, ({ node }) => sumOf(node.totals.closed.counts, by))),
    ...codes.map(code => rare(`closed.code.${code}`, ({ node }) => allOf(node.totals.closed.counts[code]!))),
    total('refused', ({ refused }) => allOf(refused)),
    ...REFUSAL_REASONS.map(reason => rare(`refused.${reason}`, ({ refused }) => refused[reason] ?? 0)),
    total('messagesIn', ({ node }) => node.totals.messagesIn),
    total('messagesOut', ({ node }) => node.totals.messagesOut),
    late('bytesIn'),
    late('bytesOut'),
    level('bufferedBytes', { overNodes: 'sum' }, ({ outbound }) => outbound.bufferedBytes),
    level('intervalMs', { overTime: 'last' }, ({ node }) => node.intervalMs),
    level('load', { digits: 3 }, ({ node }) => node.load.ratio),
    ...SOURCES.map(source => level(`load.${source}`, { digits: 3 }, ({ node }) => node.loadBySource.get(source) ?? 0)),
    level('lagMaxMs', { digits: 1 }, ({ node }) => node.totals.latenessMs.takeMax()),
  ];
}

/** The series that are calculated from histograms: percentiles of round trips, and of delays of the event loop. */
export const DERIVED = [
  { histogram: 'rtt', names: ['rttP50Ms', 'rttP90Ms', 'rttP99Ms'], shares: [0.5, 0.9, 0.99] },
  { histogram: 'lag', names: ['lagP99Ms'], shares: [0.99] },
] as const;

type Counts = Readonly<Record<string, number>>;

function allOf(counts: Counts): number {
  let sum = 0;
  for (const count of Object.values(counts)) sum += count;
  return sum;
}

function sumOf(counts: Readonly<Record<string, Counts>>, by: string): number {
  let sum = 0;
  for (const ofCode of Object.values(counts)) sum += ofCode[by]!;
  return sum;
}
