import { NEVER, phaseOf, Pulse } from '../../../../libs/heartbeat/src/connection/pulse.js';
import { judge, nextCheck, pingMomentBefore } from '../../../../libs/heartbeat/src/liveness/verdict.js';
import { Wheel } from '../../../../libs/heartbeat/src/liveness/wheel.js';
import { answerParent } from '../remote.js';

const TICK_MS = 50;
const RULES = { intervalMs: 25_000, pongTimeoutMs: 10_000, missedPongs: 2 };
/** A round trip: the time from a ping to its pong. */
const ANSWER_MS = 100;
const INTERVALS = 3;

/** The wheel, the pulses and the rule of the heartbeat, by themselves: connections without sockets, ticks without a timer. */
export class Tally {
  readonly #wheel = new Wheel<Pulse<object>>(TICK_MS);
  readonly #owner = {};

  async keep(connections: number): Promise<{ coreShare: number; bytes: number }> {
    const before = collected();
    const pulses = Array.from({ length: connections }, (_, index) => new Pulse(this.#owner, phaseOf(index), 0, 0));
    for (const pulse of pulses) {
      pulse.markAlive(pingMomentBefore(pulse.phase, 0, RULES.intervalMs));
      this.#schedule(pulse, 0);
    }
    this.#run(0, RULES.intervalMs);
    const bytes = (collected() - before) / connections;
    const from = process.cpuUsage();
    this.#run(RULES.intervalMs, INTERVALS * RULES.intervalMs);
    const { user, system } = process.cpuUsage(from);
    // So that what was counted is still there.
    if (pulses.length !== connections) throw new Error('a connection was lost');
    return { coreShare: (user + system) / 1000 / (INTERVALS * RULES.intervalMs), bytes };
  }

  #run(from: number, forMs: number): void {
    for (let now = from + TICK_MS; now <= from + forMs; now += TICK_MS) {
      this.#wheel.advance(now);
      for (let pulse = this.#wheel.take(); pulse !== undefined; pulse = this.#wheel.take()) this.#check(pulse, now);
    }
  }

  #check(pulse: Pulse<object>, now: number): void {
    // Every ping is answered: a check of an unanswered one would come at its timeout.
    if (pulse.pingedAt !== NEVER) pulse.markAlive(pingMomentBefore(pulse.phase, pulse.pingedAt, RULES.intervalMs));
    pulse.checked(now);
    if (judge(pulse, now, RULES) === 'ping') pulse.pinged(now, now + 0.5);
    this.#schedule(pulse, now);
  }

  #schedule(pulse: Pulse<object>, now: number): void {
    pulse.dueAt(pulse.pingedAt === NEVER ? nextCheck(pulse, RULES) : now + ANSWER_MS);
    this.#wheel.schedule(pulse);
  }
}

function collected(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

answerParent(new Tally());
