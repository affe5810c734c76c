import { inSlices } from '../base/slices.js';
import type { Connection } from '../connection/connection.js';
import { connectionId } from '../connection/connection-id.js';
import type { ConnectionService } from '../connection/connection.service.js';
import type { ClientBans } from '../connection/ports.js';
import type { NodeState } from '../node/node-state.js';
import { type KickReport, NO_COUNTS } from './kick-record.js';
import type { BulkKickOptions, KickCounts } from './kick.types.js';
import { Pace } from './pace.js';

/** Time between two turns of a share, in milliseconds. Short, since the answers to the closes of one turn arrive together. */
const TICK_MS = 20;
/** Kicks of one turn of the event loop: each is answered by a close frame, which costs several times as much. */
const KICKS_PER_TURN = 4;

/** The work of a share. */
export interface ShareWork {
  readonly serials: Float64Array;
  readonly options: BulkKickOptions;
  /** The initiator, for the events. */
  readonly by: string;
  /** This node's part of the pace. */
  readonly perSecond: number;
}

/** The rules of the node that a share uses. */
export interface ShareNode {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly bans: ClientBans;
}

/**
 * The share of this node in a bulk kick: each connection once, at an even pace, few in a turn of the event loop. With a ban,
 * connections of one user or address are kicked in a row, and banned after the last of them. So each of them gets 4500, and none of them
 * has time to return.
 */
export class KickShare {
  #state: 'running' | 'stopped' | 'done' = 'running';
  readonly #counts: { -readonly [Name in keyof KickCounts]: number } = { ...NO_COUNTS };
  readonly #pace: Pace;
  /** The order of the kicks, once it is known. */
  #order: readonly number[] | null = null;
  /** With a ban, the last serial of each user or address. */
  readonly #lasts = new Set<number>();
  /** Kicked clients that are not banned yet, by user or address. */
  readonly #unbanned = new Map<string, Connection>();
  #place = 0;
  #isWorking = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param ended Called once, when the share is done or stopped. */
  constructor(
    private readonly on: ShareNode,
    private readonly work: ShareWork,
    private readonly ended: () => void,
  ) {
    this.#pace = new Pace(work.perSecond, on.node.clock.now());
  }

  get report(): KickReport {
    return { state: this.#state, ...this.#counts };
  }

  begin(): void {
    this.#timer = setInterval(() => void this.#turn(), TICK_MS).unref();
    void this.#turn();
  }

  /** Ends the share before its next kick. */
  stop(): void {
    this.#end('stopped');
  }

  /** Ends the share with the process, whose connections have ended. */
  abandon(): void {
    if (this.#state !== 'running') return;
    const { closed, gone, failed } = this.#counts;
    this.#counts.gone += this.work.serials.length - closed - gone - failed;
    this.#end('done');
  }

  async #turn(): Promise<void> {
    if (this.#isWorking || this.#state !== 'running') return;
    this.#isWorking = true;
    this.#order ??= await this.#ordered();
    let kicked = 0;
    for (const serial of this.#next(this.#pace.due(this.on.node.clock.now()))) {
      this.#kick(serial);
      if (++kicked % KICKS_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve));
    }
    this.#isWorking = false;
    if (this.#place >= this.#order.length) this.#end('done');
  }

  *#next(due: number): IterableIterator<number> {
    const order = this.#order ?? [];
    for (let left = due; left > 0 && this.#place < order.length && this.#state === 'running'; left--) {
      yield order[this.#place++]!;
    }
  }

  #kick(serial: number): void {
    const { node, connections } = this.on;
    const id = connectionId(node.id, serial);
    const connection = connections.get(id);
    if (connection === undefined || connection.closing !== null) this.#counts.gone++;
    else this.#close(connection, id);
    if (!this.#lasts.has(serial)) return;
    for (const kicked of this.#unbanned.values()) this.#ban(kicked);
    this.#unbanned.clear();
  }

  #close(connection: Connection, id: string): void {
    const { reason, reconnect } = this.work.options;
    const kick = { ...(reason !== undefined && { reason }), ...(reconnect !== undefined && { reconnect }) };
    try {
      this.on.connections.beginKick(id, { ...kick, by: this.work.by });
      this.#counts.closed++;
      if (this.work.options.banForMs !== undefined) this.#unbanned.set(clientOf(connection), connection);
    } catch (error) {
      this.#counts.failed++;
      this.on.node.log.error('a kick failed', 'a kick of a bulk kick failed', error);
    }
  }

  #ban(connection: Connection): void {
    const { banForMs = 0, reason } = this.work.options;
    const given = { by: this.work.by, ...(reason !== undefined && { reason }) };
    if (this.on.bans.banClient(connection, banForMs, given)) this.#counts.bans++;
  }

  /** With a ban, the connections of each client in a row. */
  async #ordered(): Promise<readonly number[]> {
    const { serials, options } = this.work;
    if (options.banForMs === undefined) return [...serials];
    const clients = new Map<string, number[]>();
    await inSlices(serials, serial => {
      const connection = this.on.connections.get(connectionId(this.on.node.id, serial));
      const client = connection === undefined ? '' : clientOf(connection);
      const known = clients.get(client);
      if (known === undefined) clients.set(client, [serial]);
      else known.push(serial);
    });
    for (const group of clients.values()) this.#lasts.add(group.at(-1)!);
    return [...clients.values()].flat();
  }

  #end(state: 'stopped' | 'done'): void {
    if (this.#state !== 'running') return;
    this.#state = state;
    clearInterval(this.#timer);
    this.ended();
  }
}

/** The user of a connection, or its address where it is anonymous. */
function clientOf({ userId, ip }: Connection): string {
  return userId === null ? `ip ${ip}` : `user ${userId}`;
}
