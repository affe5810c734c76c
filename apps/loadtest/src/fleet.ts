import { ASK_EVERY_MS, Attendance } from './attendance.js';
import { monotonicMs } from './clock.js';
import { EchoPacer } from './echo-pacer.js';
import type { Fault, FaultKind } from './faults.js';
import { ABNORMAL_CLOSURE } from './frames.js';
import type { LoadClient, LoadClientListener } from './load-client.js';
import type { ChildMessage, FleetOrder } from './messages.js';
import { Opener } from './opener.js';
import { echoText, HEARTBEAT_TEXT, readServerMessage } from './server-messages.js';
import { Tally } from './tally.js';

const NORMAL_CLOSURE = 1000;
const GOING_AWAY = 1001;

/** The clients of one process: opens them, makes them faulty at their moment, and counts what becomes of them. */
export class Fleet implements LoadClientListener {
  readonly #order: FleetOrder;
  readonly #opener: Opener;
  readonly #tally = new Tally();
  /** Open ones, healthy or faulty. */
  readonly #clients = new Map<number, LoadClient>();
  readonly #faulty = new Map<number, FaultKind>();
  readonly #echoing: ReadonlySet<number>;
  readonly #attendance = new Attendance();
  #echoes: EchoPacer | null = null;
  #startedAt: number | null = null;
  #nextFault = 0;
  #asker: LoadClient | null = null;
  #nextAskAt = 0;
  #finishing = false;

  constructor(order: FleetOrder, now: number) {
    this.#order = order;
    this.#echoing = new Set(order.echoing);
    this.#opener = new Opener(order, this, now);
    this.#tally.openingSince = now;
  }

  get empty(): boolean {
    return this.#clients.size === 0;
  }

  /** Everything that is due at `now`. */
  tick(now: number, lateMs: number): void {
    this.#tally.recordLateness(lateMs);
    if (this.#finishing) return;
    this.#opener.fill(now);
    this.#opener.expire(now);
    if (this.#startedAt === null) return;
    this.#makeFaulty(now - this.#startedAt);
    for (const index of this.#echoes?.due(now) ?? []) this.#sendEcho(index);
    if (this.#order.asks && now >= this.#nextAskAt) this.#ask(now);
  }

  /** The opening is over: faults and echoes are counted from `startedAt`. */
  run(startedAt: number): void {
    const unopened = this.#opener.abandon();
    if (unopened > 0) this.#tally.countRefused('not begun before the run', unopened);
    this.#startedAt = startedAt;
    this.#echoes = new EchoPacer(this.#order.echoing, this.#order.echoEveryMs, startedAt);
  }

  /** These have been ended by the server and cannot see it. */
  release(indices: readonly number[]): void {
    for (const index of indices) this.#clients.get(index)?.destroy();
  }

  /** Closes all clients with a close frame, except for the faulty ones. From here on nothing is counted. */
  finish(now: number): void {
    this.#opener.abandon();
    this.#attendance.finish(now);
    this.#finishing = true;
    for (const client of this.#clients.values()) {
      if (this.#faulty.has(client.index)) client.destroy();
      else client.close(NORMAL_CLOSURE);
    }
  }

  takeMessage(last: boolean): ChildMessage {
    this.#tally.absences.push(...this.#attendance.take());
    return {
      opening: this.#opener.opening,
      open: this.#clients.size,
      settled: this.#opener.settled,
      delta: this.#tally.take(),
      last,
    };
  }

  opened(client: LoadClient): void {
    const now = monotonicMs();
    this.#opener.settle(client);
    this.#clients.set(client.index, client);
    this.#tally.opened += 1;
    this.#tally.lastOpenedAt = now;
    if (!this.#finishing) this.#opener.fill(now);
  }

  refused(client: LoadClient, reason: string): void {
    this.#opener.settle(client);
    if (this.#finishing) return;
    this.#tally.countRefused(reason);
    this.#opener.fill(monotonicMs());
  }

  message(client: LoadClient, payload: Buffer): void {
    // Idle clients are most of them: what they get is not worth parsing.
    if (client !== this.#asker && !this.#echoing.has(client.index)) return;
    const message = readServerMessage(payload.toString());
    if (message?.event === 'echo') this.#tally.echoes.record(monotonicMs() - message.sentAt);
    if (message?.event !== 'heartbeat' || client !== this.#asker) return;
    this.#attendance.heard(monotonicMs());
    this.#tally.recordTiming(message.timing);
  }

  /** A faulty client takes no notice of a close frame: only the end of its socket counts. */
  closing(client: LoadClient, code: number): void {
    if (!this.#faulty.has(client.index)) this.#lose(client, code);
  }

  ended(client: LoadClient): void {
    if (!this.#faulty.has(client.index)) {
      this.#lose(client, ABNORMAL_CLOSURE);
      return;
    }
    this.#clients.delete(client.index);
    if (this.#finishing) return;
    const at = monotonicMs();
    this.#tally.recordEnd({ index: client.index, earliestAt: at, at });
  }

  /** Once for each healthy client: after its close frame it is no longer among the open ones. */
  #lose(client: LoadClient, code: number): void {
    if (!this.#clients.delete(client.index) || this.#finishing) return;
    if (client === this.#asker) this.#asker = null;
    if (code === GOING_AWAY) this.#tally.countDrained(monotonicMs());
    else this.#tally.countLost(String(code));
  }

  #makeFaulty(elapsedMs: number): void {
    for (; this.#nextFault < this.#order.faults.length; this.#nextFault += 1) {
      const fault = this.#order.faults[this.#nextFault] as Fault;
      if (fault.atMs > elapsedMs) return;
      const client = this.#clients.get(fault.index);
      if (client === undefined) continue;
      client.stopAnswering();
      if (fault.kind === 'stopped') client.stopReading();
      this.#faulty.set(fault.index, fault.kind);
      this.#tally.faulty.set(fault.index, {
        index: fault.index,
        kind: fault.kind,
        lastSentAt: client.lastSentAt,
        end: { address: client.localAddress, port: client.localPort },
      });
    }
  }

  #sendEcho(index: number): void {
    const client = this.#clients.get(index);
    if (client === undefined) return;
    client.send(echoText(monotonicMs()));
    this.#tally.echoesSent += 1;
  }

  #ask(now: number): void {
    this.#nextAskAt = now + ASK_EVERY_MS;
    if (this.#asker === null) {
      this.#attendance.pause();
      this.#asker = this.#findAsker();
    }
    this.#asker?.send(HEARTBEAT_TEXT);
  }

  /** A client that stays healthy. */
  #findAsker(): LoadClient | null {
    const planned = new Set(this.#order.faults.map(fault => fault.index));
    for (const client of this.#clients.values()) if (!planned.has(client.index)) return client;
    return null;
  }
}
