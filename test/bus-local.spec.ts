import { LocalBus, LocalStore } from '../libs/heartbeat/src/messaging/local-bus.js';
import { holdsTheBusContract } from './support/redis/bus-contract.js';

holdsTheBusContract('LocalBus', async () => {
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
});
