import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import type { INestApplicationContext } from '@nestjs/common';
import { AdmissionService } from '../../../libs/heartbeat/src/admission/admission.service.js';
import type { BanList } from '../../../libs/heartbeat/src/admission/ban-list.js';
import { ClientAddresses } from '../../../libs/heartbeat/src/admission/client-addresses.js';
import { ConnectionService } from '../../../libs/heartbeat/src/connection/connection.service.js';
import { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';
import type { InboundService } from '../../../libs/heartbeat/src/flow/inbound.service.js';
import type { GatewayInspector } from '../../../libs/heartbeat/src/transports/ws/gateway-inspector.js';
import { HeartbeatWsAdapter } from '../../../libs/heartbeat/src/transports/ws/heartbeat-ws.adapter.js';
import { HeartbeatGateway } from '../../../libs/heartbeat/src/transports/ws/heartbeat.gateway.js';
import { HttpPorts } from '../../../libs/heartbeat/src/transports/ws/http-ports.js';
import type { MessageDispatcher } from '../../../libs/heartbeat/src/transports/ws/message-dispatcher.js';
import { NodeSockets } from '../../../libs/heartbeat/src/transports/ws/node-sockets.js';
import { Upgrades } from '../../../libs/heartbeat/src/transports/ws/upgrades.js';
import { type EventPayload, HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../../../libs/heartbeat/src/options/heartbeat.options.js';
import type { HeartbeatService } from '../../../libs/heartbeat/src/liveness/heartbeat.service.js';
import { resolveOptions } from '../../../libs/heartbeat/src/options/resolve-options.js';
import { wireNode } from './wire-node.js';
import { unstamped } from '../assert/unstamped.js';

/** The server's end of a line without a network. */
export class Line extends Duplex {
  readonly remoteAddress = '10.0.0.1';
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  written = '';

  setKeepAlive(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }

  get status(): string {
    return this.written.split(' ', 2)[1] ?? '';
  }
}

/** An adapter with the services that it needs, in an app without a network, and a clock that stands still. */
export class AdapterWorld {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly bans: BanList;
  readonly adapter: HeartbeatWsAdapter;
  readonly events: EventPayload[] = [];
  /** Stands for its HTTP server too, as it does for an adapter that is not given a whole Nest application. */
  readonly app: EventEmitter & { isInitialized: boolean };
  readonly #lines: Line[] = [];

  constructor(limits: HeartbeatOptions['limits']) {
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ limits }), clock);
    this.node.bootstrapHookRan = true;
    const stream = new HeartbeatEvents();
    stream.stream.subscribe(event => this.events.push(unstamped(event)));
    const { registry, bans, identities, connections } = wireNode(this.node, stream);
    [this.bans, this.connections] = [bans, connections];
    const addresses = new ClientAddresses(this.node.options);
    const admission = new AdmissionService(this.node, registry, identities, addresses, stream);
    const heartbeat = { wake: () => undefined, watch: () => undefined } as unknown as HeartbeatService;
    const [inbound, dispatcher] = [{} as InboundService, {} as MessageDispatcher];
    const gateway = new HeartbeatGateway(this.node, connections, heartbeat, inbound, dispatcher, stream, bans);
    const inspector = { guardHooks: () => undefined, guarded: () => [] } as unknown as GatewayInspector;
    const sockets = new NodeSockets(this.node, connections, addresses);
    const upgrades = new Upgrades(this.node, admission, gateway, sockets, addresses);
    const services = new Map<unknown, unknown>([
      [NodeState, this.node],
      [AdmissionService, admission],
      [HeartbeatGateway, gateway],
      [HttpPorts, new HttpPorts(this.node, sockets, upgrades, stream)],
    ]);
    this.app = Object.assign(new EventEmitter(), {
      isInitialized: true,
      get: (token: unknown) => services.get(token) ?? inspector,
    });
    this.adapter = new HeartbeatWsAdapter(this.app as unknown as INestApplicationContext);
  }

  /** A client asks for an upgrade. */
  ask(url = '/ws', headers: Record<string, string> = {}): Line {
    const line = new Line();
    this.#lines.push(line);
    const upgrade = {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    };
    const request = {
      method: 'GET',
      url,
      httpVersionMajor: 1,
      httpVersionMinor: 1,
      rawHeaders: ['Host', 'localhost'],
      headers: { ...upgrade, ...headers },
      socket: line,
    };
    this.app.emit('upgrade', request, line, Buffer.alloc(0));
    return line;
  }

  destroy(): void {
    for (const line of this.#lines) line.destroy();
  }
}

/** Lets the event loop turn once. */
export const turn = () => new Promise(resolve => setImmediate(resolve));
