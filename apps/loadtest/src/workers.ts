import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildMessage, FleetOrder, ParentMessage } from './messages.js';
import type { TallyDelta } from './tally.js';

export interface WorkersListener {
  counted(delta: TallyDelta): void;
  /** A child ended before it was asked to, and its clients with it; nothing more comes from it. */
  crashed(order: FleetOrder): void;
}

interface Member {
  readonly order: FleetOrder;
  readonly child: ChildProcess;
  opening: number;
  open: number;
  settled: boolean;
  state: 'working' | 'finished' | 'crashed';
}

/** Longer than a child takes to leave. */
const FINISH_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** The child processes that carry the load. Their creator ends them, by `finish` or `kill`. */
export class Workers {
  readonly #members: readonly Member[];
  readonly #listener: WorkersListener;

  constructor(orders: readonly FleetOrder[], listener: WorkersListener) {
    this.#listener = listener;
    this.#members = orders.map(order => this.#hire(order));
  }

  get opening(): number {
    return this.#members.reduce((total, member) => total + member.opening, 0);
  }

  get open(): number {
    return this.#members.reduce((total, member) => total + member.open, 0);
  }

  /** Every connection was opened or refused. */
  get settled(): boolean {
    return this.#members.every(member => member.settled || member.state !== 'working');
  }

  /** Sends it to every child; children that do not know the client ignore it. */
  tell(message: ParentMessage): void {
    for (const { child, state } of this.#members) {
      if (state === 'working' && child.connected) child.send(message);
    }
  }

  /** Closes the clients, receives the last counts, and ends every child. */
  async finish(): Promise<void> {
    this.tell({ kind: 'finish' });
    const looks = FINISH_WITHIN_MS / LOOK_EVERY_MS;
    for (let look = 0; look < looks && this.#members.some(({ state }) => state === 'working'); look += 1) {
      await sleep(LOOK_EVERY_MS);
    }
    // A child that has not ended by now is killed, and its last counts are lost.
    for (const member of this.#members) this.#bury(member);
    this.kill();
  }

  kill(): void {
    for (const { child } of this.#members) if (child.exitCode === null) child.kill('SIGKILL');
  }

  #hire(order: FleetOrder): Member {
    const child = fork(new URL('./worker.js', import.meta.url));
    const member: Member = { order, child, opening: 0, open: 0, settled: false, state: 'working' };
    child.on('message', (message: ChildMessage) => this.#listen(member, message));
    child.on('error', () => this.#bury(member));
    child.on('exit', () => this.#bury(member));
    child.send({ kind: 'open', order } satisfies ParentMessage);
    return member;
  }

  #listen(member: Member, message: ChildMessage): void {
    member.opening = message.opening;
    member.open = message.open;
    member.settled = message.settled;
    if (message.last) member.state = 'finished';
    this.#listener.counted(message.delta);
  }

  #bury(member: Member): void {
    member.opening = 0;
    member.open = 0;
    if (member.state !== 'working') return;
    member.state = 'crashed';
    this.#listener.crashed(member.order);
  }
}
