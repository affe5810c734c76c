import { monotonicMs } from '../../../loadtest/src/clock.js';
import { seededRandom } from '../../../loadtest/src/random.js';
import { sourceAddress } from '../../../loadtest/src/target.js';
import { DIALECTS, type Dialect, type DialectName } from './dialect.js';
import { EchoProbe, type EchoTimes } from './echo-probe.js';
import { BenchClient, type ClientsListener, type ClientsTarget } from './bench-client.js';
import { LatePongs } from './late-pongs.js';
import { ActiveClients } from './active-clients.js';

export interface OpenOrder {
  readonly dialect: DialectName;
  readonly port: number;
  readonly count: number;
  /** Of the first client, among those of all processes: the source addresses are spread by it. */
  readonly firstIndex: number;
}

export interface ClientsCounts {
  readonly open: number;
  readonly pings: number;
  readonly messages: number;
}

export interface SilentEnds {
  readonly waiting: number;
  /** From the last byte that each sent to the end of its socket. */
  readonly silencesMs: readonly number[];
}

/** Handshakes of one process that are under way at once. */
const MOST_OPENING = 64;

/** All clients of one process. Its methods are what the parent may ask for. */
export class Clients implements ClientsListener {
  readonly #clients = new Set<BenchClient>();
  readonly #silent = new Set<BenchClient>();
  #silencesMs: number[] = [];
  #closedAt: number[] = [];
  #target: ClientsTarget | null = null;
  #pongs: LatePongs | null = null;
  #talkers: ActiveClients | null = null;
  #probe: EchoProbe | null = null;
  /** The message that a client in a closed loop sends again after each response. */
  #again: Buffer | null = null;
  #pings = 0;
  #messages = 0;
  #open = 0;
  /** All that were opened, those included that were lost since. */
  #opened = 0;
  #wakeUp: () => void = () => {};
  #refusal: string | null = null;

  /** Resolves when all are open; rejects when one was refused. */
  async open({ dialect, port, count, firstIndex }: OpenOrder): Promise<void> {
    const target = (this.#target = targetOf(DIALECTS[dialect], port));
    this.#pongs ??= new LatePongs(target.dialect.pong);
    const wanted = this.#opened + count;
    // Waking a sleeping process is charged to the process that writes to it, 4 to 13 µs for each answered upgrade, the more
    // the faster the clients are with the last one. Clients of a real server sleep on their own machines.
    const stayAwake = (): void => {
      awake = setImmediate(stayAwake);
    };
    let awake = setImmediate(stayAwake);
    try {
      for (let begun = 0; begun < count || this.#opened < wanted;) {
        while (begun < count && this.#clients.size - this.#open < MOST_OPENING) {
          const source = sourceAddress(firstIndex + begun, '127.0.0.1', process.platform);
          this.#clients.add(new BenchClient(target, source, this));
          begun += 1;
        }
        await this.#change();
        if (this.#refusal !== null) throw new Error(`a client was refused: ${this.#refusal}`);
      }
    } finally {
      clearImmediate(awake);
    }
  }

  counts(): ClientsCounts {
    return { open: this.#open, pings: this.#pings, messages: this.#messages };
  }

  /** Lets a share of the clients send a message each second from now on, each at its own moment. */
  talk(share: number): void {
    const count = Math.round(this.#clients.size * share);
    this.#talkers = new ActiveClients([...this.#clients].slice(0, count), this.#dialect.message('tell', NEWS));
  }

  hush(): void {
    this.#talkers?.stop();
    this.#talkers = null;
  }

  /** Every client requests an echo at intervals, whether or not its last one has returned. */
  probe(everyMs: number): void {
    this.#probe = new EchoProbe([...this.#clients], this.#dialect.message('echo', NEWS), everyMs);
  }

  echoTimes(): EchoTimes {
    const times = this.#probe?.stop();
    this.#probe = null;
    if (times === undefined) throw new Error('no echoes were requested');
    return times;
  }

  /** Every client keeps `inFlight` echoes on their way, until {@link leave}. */
  flood(inFlight: number): void {
    this.#again = this.#dialect.message('echo', NEWS);
    const first = Buffer.concat(Array.from({ length: inFlight }, () => this.#again as Buffer));
    for (const client of this.#clients) client.send(first);
  }

  /** The last clients neither answer nor say anything any more. */
  silence(count: number): void {
    const clients = [...this.#clients];
    for (const client of clients.slice(Math.max(0, clients.length - count))) this.#silent.add(client);
  }

  silentEnds(): SilentEnds {
    return { waiting: this.#silent.size, silencesMs: this.#silencesMs };
  }

  /** When the server's close frames came, monotonic milliseconds. */
  closedAt(): readonly number[] {
    return this.#closedAt;
  }

  /** Cuts all connections; resolves when they have ended. */
  async leave(): Promise<void> {
    this.hush();
    this.#again = null;
    for (const client of this.#clients) client.destroy();
    while (this.#clients.size > 0) await this.#change();
  }

  opened(): void {
    this.#open += 1;
    this.#opened += 1;
    this.#wakeUp();
  }

  pinged(client: BenchClient): void {
    this.#pings += 1;
    if (!this.#silent.has(client)) this.#pongs?.add(client);
  }

  messaged(client: BenchClient): void {
    this.#messages += 1;
    this.#probe?.answered(client);
    if (this.#again !== null) client.send(this.#again);
  }

  closing(): void {
    this.#closedAt.push(monotonicMs());
  }

  ended(client: BenchClient, reason: string): void {
    this.#clients.delete(client);
    if (client.isOpen) this.#open -= 1;
    else this.#refusal = reason;
    if (this.#silent.delete(client)) this.#silencesMs.push(monotonicMs() - client.sentAt);
    this.#wakeUp();
  }

  get #dialect(): Dialect {
    if (this.#target === null) throw new Error('no client was opened');
    return this.#target.dialect;
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#wakeUp = resolve;
    });
  }
}

const random = seededRandom(1);
/** Some 50 bytes, as a chat or a game sends them. */
const NEWS = { text: 'the quick brown fox', x: random(), y: random() };

function targetOf(dialect: Dialect, port: number): ClientsTarget {
  // The key proves that a server speaks WebSocket; here all servers do, and one key serves all clients.
  const lines = [
    `GET ${dialect.path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Origin: http://127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'User-Agent: heartbeat-bench',
    '\r\n',
  ];
  return { dialect, port, upgrade: Buffer.from(lines.join('\r\n')) };
}
