import type { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { NodeState } from '../node/node-state.js';
import { RateLimiter } from './rate-limiter.js';
import { type Refusal, refusals } from './refusal.js';

/** Maximum of addresses whose rate is kept. */
const MAX_ADDRESSES = 50_000;

/** `limits.upgradesPerSecond` and `limits.upgradesPerSecondPerIp`. */
export class UpgradeRates {
  readonly #all: RateLimiter;
  readonly #byNetwork: RateLimiter;

  constructor(
    private readonly node: NodeState,
    events: HeartbeatEvents,
  ) {
    this.#all = new RateLimiter(() => node.limits.upgradesPerSecond, 1);
    this.#byNetwork = new RateLimiter(() => node.limits.upgradesPerSecondPerIp, MAX_ADDRESSES);
    // Published in the turn of the change, so before any further upgrade.
    events.ofType('limits-changed').subscribe(({ limits: { upgradesPerSecond, upgradesPerSecondPerIp } }) => {
      if (upgradesPerSecond) this.#all.rateChanged(upgradesPerSecond.before, node.clock.now());
      if (upgradesPerSecondPerIp) this.#byNetwork.rateChanged(upgradesPerSecondPerIp.before, node.clock.now());
    });
  }

  /** Uses the rate of a client network and that of all clients. Returns the refusal of an upgrade above either. */
  refusalOf(network: string): Refusal | null {
    const now = this.node.clock.now();
    const ownWaitMs = this.#byNetwork.take(network, now);
    const waitMs = ownWaitMs || this.#all.take('', now);
    if (waitMs === 0) return null;
    // A client that is refused because of the rate of all clients has not used its own.
    if (ownWaitMs === 0) this.#byNetwork.giveBack(network);
    return refusals.upgradeRate(waitMs);
  }
}
