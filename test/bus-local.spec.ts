import { LocalBus, LocalStore } from '../libs/heartbeat/src/messaging/local-bus.js';
import { holdsTheAuditContract } from './support/redis/audit-contract.js';
import { type BusWorld, holdsTheBusContract } from './support/redis/bus-contract.js';
import { holdsTheLimitsContract } from './support/redis/limits-contract.js';
import { holdsTheRecordsContract } from './support/redis/records-contract.js';

async function open(): Promise<BusWorld> {
  let now = 1000;
  const store = new LocalStore();
  const clock = { now: () => now, wallTime: (moment: number) => new Date(moment) };
  return {
    bus: () => new LocalBus(clock, store),
    async pass(ms) {
      now += ms;
    },
    async empty() {
      store.empty();
    },
    async end() {},
  };
}

holdsTheBusContract('LocalBus', open);
holdsTheAuditContract('LocalBus', open);
holdsTheLimitsContract('LocalBus', open);
holdsTheRecordsContract('LocalBus', open);
