import type { LimitedLogger } from '../../base/limited-logger.js';
import { pathOf } from './path-server.js';
import { isTaken, type Upgrade } from './upgrade.js';

const KIND = 'another "upgrade" listener of the HTTP server answered an upgrade to the path of a gateway';
const REMEDY =
  'let it leave alone what is not its own, for example a ws server with { noServer: true }, engine.io with { destroyUpgrade: false }';

/** Upgrades to our paths that another `upgrade` listener of the HTTP server has answered. */
export class LostUpgrades {
  constructor(private readonly log: LimitedLogger) {}

  /** Whether this upgrade needs no answer of ours: one would go into a connection of the other listener. */
  includes(upgrade: Upgrade): boolean {
    if (!isTaken(upgrade)) return false;
    upgrade.leave(upgrade.socket);
    // A client that left has taken its socket with it.
    if (!upgrade.socket.destroyed) this.log.warn(KIND, `${KIND}, ${pathOf(upgrade.request).slice(0, 200)}: ${REMEDY}`);
    return true;
  }
}
