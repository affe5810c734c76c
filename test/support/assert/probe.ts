import { performance } from 'node:perf_hooks';
import { RawClient } from '../clients/raw-client.js';

/** The pause between two questions. */
const PACE_MS = 20;

/** A well-behaved client that echoes all the time, to see whether what others do is noticed by it. */
export class Probe {
  readonly #sentAt: number[] = [];
  readonly #timer: NodeJS.Timeout;

  private constructor(private readonly client: RawClient) {
    this.#timer = setInterval(() => {
      this.#sentAt.push(performance.now());
      if (!client.socket.destroyed) client.sendEvent('echo', this.#sentAt.length);
    }, PACE_MS);
  }

  static async start(port: number): Promise<Probe> {
    return new Probe(await RawClient.opened({ port }));
  }

  /** How many answers there were. */
  get answers(): number {
    return this.client.messages.length;
  }

  /** The longest round trip, in milliseconds; a question that is still unanswered counts as long as it has waited. */
  get slowestMs(): number {
    const now = performance.now();
    const { messages } = this.client;
    return Math.max(0, ...this.#sentAt.map((sentAt, i) => (messages[i]?.at ?? now) - sentAt));
  }

  /** Its complaints; empty without problems. */
  get complaints(): string[] {
    const { closeFrame, socket, json } = this.client;
    const wrong = json.findIndex((answer, i) => JSON.stringify(answer) !== `{"event":"echo","data":${i + 1}}`);
    return [
      ...(closeFrame === null ? [] : [`was closed with ${closeFrame.code} ${closeFrame.reason}`]),
      ...(socket.destroyed ? ['lost its socket'] : []),
      ...(wrong === -1 ? [] : [`got a wrong answer: ${JSON.stringify(json[wrong])}`]),
    ];
  }

  stop(): void {
    clearInterval(this.#timer);
    this.client.destroy();
  }
}
