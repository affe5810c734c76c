import type { LimitedLogger } from '../../base/limited-logger.js';
import { pathOf } from './path-server.js';
import { isTaken, type Upgrade } from './upgrade.js';

const KIND = 'another "upgrade" listener of the HTTP server answered an upgrade to the path of a gateway';
const REMEDY =
  'make it ignore upgrades to other paths, for example a ws server with { noServer: true }, engine.io with { destroyUpgrade: false }';

/** Upgrades to the path of a gateway that another `upgrade` listener of the HTTP server has answered. */
export class LostUpgrades {
  constructor(private readonly log: LimitedLogger) {}

  /** Whether this upgrade must not be answered here: a response would be written into the connection of the other listener. */
  includes(upgrade: Upgrade): boolean {
    if (!isTaken(upgrade)) return false;
    upgrade.leave(upgrade.socket);
    // A client that disconnected has destroyed its socket: no other listener is involved.
    if (!upgrade.socket.destroyed) this.log.warn(KIND, `${KIND}, ${pathOf(upgrade.request).slice(0, 200)}: ${REMEDY}`);
    return true;
  }
}
