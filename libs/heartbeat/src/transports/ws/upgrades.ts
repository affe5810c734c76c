import { Injectable } from '@nestjs/common';
import type { WebSocket } from 'ws';

import { AdmissionService } from '../../admission/admission.service.js';
import type { Admitted } from '../../admission/attempt.js';
import { ClientAddresses } from '../../admission/client-addresses.js';
import type { Refusal } from '../../admission/refusal.js';
import { guarded } from '../../connection/lifetime.js';
import { NodeState } from '../../node/node-state.js';
import { HandshakeChecks } from './handshake-checks.js';
import { answerHeaders } from './handshake-response.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import { LostUpgrades } from './lost-upgrades.js';
import { NodeSockets } from './node-sockets.js';
import { RefusedClients } from './refused-clients.js';
import type { ServedServer } from './served-server.js';
import type { TrackedSocket } from './tracked-socket.js';
import { KIND } from './socket-listeners.js';
import { answerAsVerified, answerRefusal } from './upgrade-answer.js';
import { ignoreError, stopIgnoringErrors, type Upgrade } from './upgrade.js';
import { UpgradeAttempt } from './upgrade-attempt.js';
import { askVerifyClient } from './verify-client.js';

/**
 * The one way from an upgrade to a connection, for every WebSocket server of the application: admission, the server's own `verifyClient`,
 * the handshake, the connection. Each step that ends an upgrade responds to it.
 */
@Injectable()
export class Upgrades {
  readonly #refused: RefusedClients;
  readonly #lost: LostUpgrades;
  readonly #checks: HandshakeChecks;
  readonly #failed = (what: string, error: unknown) => this.node.codeFailed(what, error);

  constructor(
    private readonly node: NodeState,
    private readonly admission: AdmissionService,
    private readonly gateway: HeartbeatGateway,
    private readonly sockets: NodeSockets,
    addresses: ClientAddresses,
  ) {
    this.#refused = new RefusedClients(node.options, addresses);
    this.#lost = new LostUpgrades(node.log);
    this.#checks = new HandshakeChecks(node);
  }

  /** Serves an upgrade, or refuses it where no server exists for its path. */
  serve(server: ServedServer | undefined, upgrade: Upgrade): void {
    // The owner of a tracked server may have set its own.
    if (!('params' in upgrade.request)) Object.assign(upgrade.request, { params: upgrade.params });
    const checks = server?.guarded && this.#checks.of(server.guarded, upgrade.request);
    const attempt = new UpgradeAttempt(upgrade, server !== undefined, checks);
    this.admission.admit(attempt, verdict => {
      if (this.#lost.includes(upgrade)) return 'status' in verdict ? undefined : verdict.opened?.();
      if ('status' in verdict) return this.#refuse(server, upgrade, verdict);
      if (server) this.#verify(server, upgrade, attempt, verdict);
    });
    // A client that resets while its upgrade waits must not end the process.
    if (!upgrade.isSettled) upgrade.socket.on('error', ignoreError);
  }

  /** Calls the server's own hook, if any. The upgrade holds its slot meanwhile. Conditions that may have changed are checked again. */
  #verify(server: ServedServer, upgrade: Upgrade, attempt: UpgradeAttempt, admitted: Admitted): void {
    const { verifyClient: verify } = server;
    if (verify === undefined) return this.#open(server, upgrade, admitted);
    const { handshakeTimeoutMs: timeoutMs } = this.node.options.limits;
    const release = this.admission.hold(admitted, attempt);
    askVerifyClient({ verify, request: attempt.request, timeoutMs, failed: this.#failed }, answer => {
      release();
      if (this.#lost.includes(upgrade)) return admitted.opened?.();
      if (answer === 'timeout') return this.#refuse(server, upgrade, this.admission.timeout());
      if (answer !== 'good') {
        const { request } = upgrade;
        this.admission.refused(attempt, { status: answer.status, reason: 'unauthenticated' });
        return this.#settle(upgrade, 'verifyClient', () =>
          answerAsVerified(upgrade.socket, answer, answerHeaders(request)),
        );
      }
      const refusal = this.admission.recheck(admitted);
      return refusal ? this.#refuse(server, upgrade, refusal) : this.#open(server, upgrade, admitted);
    });
  }

  #open(server: ServedServer, upgrade: Upgrade, admitted: Admitted): void {
    const { request } = upgrade;
    this.#shakeHands(server, upgrade, client => {
      stopIgnoringErrors(upgrade.socket);
      // Only the head is Latin-1.
      upgrade.socket.setDefaultEncoding('utf8');
      const tracked = client as TrackedSocket;
      tracked.routes = server.table;
      this.sockets.opened(upgrade.socket, request.socket);
      this.gateway.opened(
        tracked,
        { request, path: server.pathOf(request), params: upgrade.params, admitted },
        server.socketListeners,
      );
      admitted.opened?.();
      server.opened(tracked, upgrade);
    });
  }

  /** Refuses by HTTP, or by a finished upgrade and a close code where the app chose that and the upgrade can be finished. */
  #refuse(server: ServedServer | undefined, upgrade: Upgrade, refusal: Refusal): void {
    this.admission.refused(upgrade, refusal);
    const close = this.#refused.closeFor(upgrade.request, refusal);
    if (close === null || server === undefined) {
      return this.#settle(upgrade, 'a refusal', () =>
        answerRefusal(upgrade.socket, refusal, answerHeaders(upgrade.request)),
      );
    }
    this.#shakeHands(server, upgrade, client => this.#refused.close(client, close, server.socketListeners[KIND]));
  }

  #shakeHands(server: ServedServer, upgrade: Upgrade, upgraded: (client: WebSocket) => void): void {
    const { request, socket, head } = upgrade;
    // `ws` accepts only this value. A list may hold other protocols, which a server may ignore (RFC 9110, section 7.8).
    request.headers.upgrade = 'websocket';
    this.#settle(upgrade, 'the handshake', () => server.handleUpgrade(request, socket, head, upgraded));
  }

  /** A value or an error of the app's hooks affects this client only. */
  #settle(upgrade: Upgrade, what: string, answer: () => void): void {
    guarded(answer, what, (_what, error) => {
      this.node.codeFailed(what, error);
      upgrade.socket.destroy();
    });
    upgrade.isSettled = true;
  }
}
