import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** One answer of a server's `/health/ready`; moments are of `performance.now()`. */
export interface ReadinessAnswer {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly status: number;
  readonly body: string;
}

/** The pause between an answer and the next question. */
const PAUSE_MS = 3;

/** Polls the readiness of a server, as an impatient load balancer would, until it stops responding or {@link stop}. */
export class ReadinessWatch {
  readonly answers: ReadinessAnswer[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #stopped = false;
  readonly #running: Promise<void>;

  /** @param url The server's, without a path. */
  constructor(private readonly url: string) {
    this.#running = this.#run();
  }

  /** The first 503, of those that were asked for since the moment `since`. */
  firstRefusal(since: number): ReadinessAnswer | undefined {
    return this.answers.find(({ status, sentAt }) => status === 503 && sentAt >= since);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        this.answers.push(await this.#ask());
      } catch {
        // The server has ended, or has not started yet.
      }
      await sleep(PAUSE_MS);
    }
  }

  async #ask(): Promise<ReadinessAnswer> {
    const sentAt = performance.now();
    return new Promise((resolve, reject) => {
      const request = get(`${this.url}/health/ready`, { agent: this.#agent, timeout: 2000 }, response => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.once('end', () =>
          resolve({ sentAt, answeredAt: performance.now(), status: response.statusCode ?? 0, body }),
        );
        response.once('error', reject);
      });
      request.once('timeout', () => request.destroy(new Error('no answer'))).once('error', reject);
    });
  }
}
