import { splitConnections } from '../../loadtest/src/file-limit.js';
import type { DialectName } from './client/dialect.js';
import type { EchoTimes } from './client/echo-probe.js';
import type { Clients, ClientsCounts } from './client/clients.js';
import { Remote } from './remote.js';

/** Sockets of one process, so that one of them never has more than half of the clients to answer at once. */
const MOST_PER_PROCESS = 7500;

/** The clients of one server, in a few processes. Its creator ends it. */
export class ClientGroup {
  readonly #processes: { readonly remote: Remote<Clients>; readonly share: number }[];

  constructor(
    title: string,
    private readonly dialect: DialectName,
    private readonly port: number,
    readonly size: number,
    socketsPerProcess: number,
  ) {
    this.#processes = splitConnections(size, Math.min(MOST_PER_PROCESS, socketsPerProcess)).map(share => ({
      remote: new Remote<Clients>(`clients of ${title}`, new URL('./client/clients-process.js', import.meta.url)),
      share,
    }));
  }

  /** Opens `count` clients, or all. */
  async open(count = this.size): Promise<void> {
    let firstIndex = 0;
    const opened = this.#processes.map(({ remote, share }) => {
      const part = Math.round((count * share) / this.size);
      const order = { dialect: this.dialect, port: this.port, count: part, firstIndex };
      firstIndex += part;
      return remote.ask('open', order);
    });
    await Promise.all(opened);
  }

  async counts(): Promise<ClientsCounts> {
    const all = await this.#all(clients => clients.ask('counts'));
    const sum = (key: keyof ClientsCounts): number => all.reduce((total, counts) => total + counts[key], 0);
    return { open: sum('open'), pings: sum('pings'), messages: sum('messages') };
  }

  async talk(share: number): Promise<void> {
    await this.#all(clients => clients.ask('talk', share));
  }

  async hush(): Promise<void> {
    await this.#all(clients => clients.ask('hush'));
  }

  /** Takes `count` clients the voice, evenly over the processes. */
  async silence(count: number): Promise<void> {
    await this.#all(clients => clients.ask('silence', Math.round(count / this.#processes.length)));
  }

  async silentEnds(): Promise<{ readonly waiting: number; readonly silencesMs: readonly number[] }> {
    const all = await this.#all(clients => clients.ask('silentEnds'));
    return {
      waiting: all.reduce((total, { waiting }) => total + waiting, 0),
      silencesMs: all.flatMap(({ silencesMs }) => silencesMs),
    };
  }

  /** When the close frames came, rising. */
  async closedAt(): Promise<readonly number[]> {
    const all = await this.#all(clients => clients.ask('closedAt'));
    return all.flat().toSorted((one, other) => one - other);
  }

  /** Requests echoes from now on; of clients in one process. */
  async probe(everyMs: number): Promise<void> {
    await this.#first.ask('probe', everyMs);
  }

  async echoTimes(): Promise<EchoTimes> {
    return this.#first.ask('echoTimes');
  }

  async flood(inFlight: number): Promise<void> {
    await this.#all(clients => clients.ask('flood', inFlight));
  }

  async leave(): Promise<void> {
    await this.#all(clients => clients.ask('leave'));
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map(({ remote }) => remote.end()));
  }

  get #first(): Remote<Clients> {
    const [clients] = this.#processes;
    if (clients === undefined || this.#processes.length > 1) throw new Error('echoes are asked for by one process');
    return clients.remote;
  }

  #all<Value>(ask: (clients: Remote<Clients>) => Promise<Value>): Promise<Value[]> {
    return Promise.all(this.#processes.map(({ remote }) => ask(remote)));
  }
}
