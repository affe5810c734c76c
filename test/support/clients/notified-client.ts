import { performance } from 'node:perf_hooks';
import { RawClient, type RawClientOptions } from './raw-client.js';

/** Handshakes under way at once, below the server's backlog. */
const AT_ONCE = 50;

/** A client that records the time of its close notification. */
export class NotifiedClient extends RawClient {
  /** When the server's Close frame came (`performance.now()`); null while there was none. */
  notifiedAt: number | null = null;

  override async connect(): Promise<void> {
    const connected = super.connect();
    // After the listener of the client itself, which has read the frame by then.
    this.socket.on('data', () => {
      if (this.closeFrame !== null) this.notifiedAt ??= performance.now();
    });
    await connected;
  }

  /** The reason of the close frame and its advised delay, in the form of docs/protocol.md; null for another form. */
  get advice(): { words: string; retryAfterMs: number } | null {
    const [, words, delay] = /^(.+); retry-after=(\d+)$/.exec(this.closeFrame?.reason ?? '') ?? [];
    return words === undefined ? null : { words, retryAfterMs: Number(delay) };
  }
}

/** Opens so many clients, from some hundred addresses, so that neither ports nor backlog run out. */
export async function openNotified(count: number, options: RawClientOptions): Promise<NotifiedClient[]> {
  const clients = Array.from(
    { length: count },
    (_, i) => new NotifiedClient({ ...options, localAddress: `127.0.${1 + (i % 4)}.${1 + (i % 250)}` }),
  );
  const waiting = [...clients];
  const openOneByOne = async (): Promise<void> => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) {
      const { status, body } = await client.open();
      if (status !== 101) throw new Error(`the upgrade was answered ${status}: ${body}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, openOneByOne));
  return clients;
}
