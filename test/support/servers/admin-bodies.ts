/** The body of a route: one that is accepted, and changes of it that are not, each with the pointer of its fault. */
export interface BodyRow {
  readonly valid: Readonly<Record<string, unknown>>;
  readonly wrong: readonly (readonly [change: Readonly<Record<string, unknown>>, pointer: string])[];
  /** Whether the body may be left out. */
  readonly isOptional?: boolean;
}

/** The bodies of the admin API. */
export const BODIES = {
  ban: {
    valid: { kind: 'user', value: 'u', forMs: 60_000 },
    wrong: [
      [{ kind: 'host' }, '/kind'],
      [{ kind: 1 }, '/kind'],
      [{ value: '' }, '/value'],
      [{ value: 5 }, '/value'],
      [{ value: 'x'.repeat(1001) }, '/value'],
      [{ kind: 'ip', value: '10.0.0.0/8' }, '/value'],
      [{ kind: 'cidr', value: '10.0.0.0' }, '/value'],
      [{ forMs: '60000' }, '/forMs'],
      [{ forMs: 0 }, '/forMs'],
      [{ forMs: -1 }, '/forMs'],
      [{ forMs: 1.5 }, '/forMs'],
      [{ forMs: null }, '/forMs'],
      [{ forMs: undefined }, '/forMs'],
      [{ reason: 'x'.repeat(124) }, '/reason'],
      [{ reason: 5 }, '/reason'],
      [{ force: 'yes' }, '/force'],
    ],
  },
  bulkKick: {
    valid: { filter: { user: 'none' }, dryRun: true },
    wrong: [
      [{ filter: {} }, '/filter'],
      [{ filter: [] }, '/filter'],
      [{ filter: { user: '' } }, '/filter/user'],
      [{ filter: { age: 5 } }, '/filter/age'],
      [{ filter: { ip: 'host' } }, '/filter/ip'],
      [{ filter: undefined }, ''],
      [{ dryRun: false }, '/dryRun'],
      [{ dryRun: undefined }, '/dryRun'],
      [{ ids: ['a'] }, '/ids'],
      [{ filter: undefined, ids: [] }, '/ids'],
      [{ filter: undefined, ids: [5] }, '/ids/0'],
      [{ filter: undefined, ids: Array.from({ length: 1001 }, () => 'a') }, '/ids'],
      [{ token: 'x' }, '/filter'],
      [{ reason: '' }, '/reason'],
      [{ reason: 'x'.repeat(124) }, '/reason'],
      [{ reconnect: 'yes' }, '/reconnect'],
      [{ reconnect: true, banForMs: 5 }, '/banForMs'],
      [{ banForMs: 0 }, '/banForMs'],
      [{ perSecond: 0 }, '/perSecond'],
      [{ perSecond: '5' }, '/perSecond'],
    ],
  },
  drain: {
    isOptional: true,
    valid: { spreadMs: 600_000 },
    wrong: [
      [{ spreadMs: -1 }, '/spreadMs'],
      [{ spreadMs: '5' }, '/spreadMs'],
      [{ spreadMs: 1.5 }, '/spreadMs'],
      [{ spreadMs: null }, '/spreadMs'],
      [{ returnWindowMs: -1 }, '/returnWindowMs'],
      [{ workTimeoutMs: true }, '/workTimeoutMs'],
      [{ deadlineMs: 0 }, '/deadlineMs'],
      [{ deadlineMs: 1e15 }, '/deadlineMs'],
      [{ node: '' }, '/node'],
      [{ node: 5 }, '/node'],
      [{ force: 'yes' }, '/force'],
    ],
  },
} satisfies Readonly<Record<string, BodyRow>>;
