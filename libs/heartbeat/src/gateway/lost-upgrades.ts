import { Logger } from '@nestjs/common';

import { pathOf } from './path-server.js';
import { isTaken, type Upgrade } from './upgrade.js';

/** Upgrades to our paths that another `upgrade` listener of the HTTP server has answered; the first is reported. */
export class LostUpgrades {
  readonly #logger = new Logger('Heartbeat');
  #isReported = false;

  /** Whether this upgrade needs no answer of ours: one would go into a connection of the other listener. */
  includes(upgrade: Upgrade): boolean {
    if (!isTaken(upgrade)) return false;
    upgrade.leave(upgrade.socket);
    if (this.#isReported || upgrade.socket.destroyed) return true;
    this.#isReported = true;
    const path = JSON.stringify(pathOf(upgrade.request).slice(0, 200));
    this.#logger.warn(
      `another "upgrade" listener of the HTTP server answered an upgrade to the gateway path ${path}: let it leave alone what is not ` +
        'its own, for example a ws server with { noServer: true }, engine.io with { destroyUpgrade: false }',
    );
    return true;
  }
}
