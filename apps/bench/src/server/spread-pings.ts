import type { WebSocketServer } from 'ws';

const TICK_MS = 10;
/** Pings in one turn of the event loop. */
const PINGS_PER_TURN = 3;

/**
 * The least that pings without a burst: each once in an interval (a little less often where the timer is late), evenly spread, and
 * the pongs are not checked. It is no design to use: it shows the cost of any heartbeat on this machine that stalls no client.
 * Returns a switch for the pings.
 */
export function spreadPings(server: WebSocketServer, intervalMs: number): (on: boolean) => void {
  let round = server.clients.values();
  let due = 0;
  let next: NodeJS.Immediate | null = null;
  const turn = (): void => {
    next = null;
    for (let pings = 0; due >= 1; pings += 1, due -= 1) {
      if (pings === PINGS_PER_TURN) {
        next = setImmediate(turn);
        return;
      }
      const { done, value: socket } = round.next();
      if (done === true) round = server.clients.values();
      else socket.ping();
    }
  };
  let isOn = true;
  setInterval(() => {
    if (isOn) due += (server.clients.size * TICK_MS) / intervalMs;
    if (next === null) turn();
  }, TICK_MS);
  return on => {
    isOn = on;
  };
}
