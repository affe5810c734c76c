import { Remote } from '../remote.js';
import type { Tally } from '../server/tally-process.js';
import type { LoneMeasure } from './measure.js';

/** The work for an idle connection, without the ping itself. */
export const bookkeeping: LoneMeasure = {
  name: 'bookkeeping',
  stage: 'alone',
  finds: 'share of a core and bytes for 1,000,000 connections without sockets, at 25 s',
  servers: ['heartbeat'],
  async take({ simulated }) {
    const ledger = new Remote<Tally>('bookkeeping', new URL('../server/tally-process.js', import.meta.url), [
      '--expose-gc',
      '--max-old-space-size=2048',
    ]);
    const { coreShare, bytes } = await ledger.ask('keep', simulated);
    await ledger.end();
    return { bookkeepingShare: coreShare * 100, bookkeepingBytes: bytes };
  },
};
