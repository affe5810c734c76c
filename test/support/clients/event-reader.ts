import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

import { until } from '../assert/until.js';

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is what the test checks
  readonly data: any;
}

interface Reading {
  readonly port: number;
  /** Below `/admin/`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A reader of the event stream over a socket of its own. End all of a file's with {@link EventReader.closeAll}. */
export class EventReader {
  static readonly #open = new Set<EventReader>();
  readonly events: ServerEvent[] = [];
  /** The numbers of all `retry` fields, in milliseconds. */
  readonly retries: number[] = [];
  comments = 0;
  /** The text that came, with everything that is not an event. */
  text = '';
  /** Whether the response ended as it should; null while it goes on. */
  endedWell: boolean | null = null;
  #rest = '';

  private constructor(readonly response: IncomingMessage) {
    EventReader.#open.add(this);
    response.setEncoding('utf8').on('data', (part: string) => this.#take(part));
    response.once('end', () => (this.endedWell = response.complete));
    response.once('error', () => (this.endedWell = false));
  }

  static open({ port, path = 'events', headers = {} }: Reading): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const all = { authorization: 'Bearer do', ...headers };
      request({ host: '127.0.0.1', port, path: `/admin/${path}`, headers: all, agent: false }, response =>
        resolve(new EventReader(response)),
      )
        .once('error', reject)
        .end();
    });
  }

  /** Opens a stream, and resolves when it follows so many nodes. */
  static async following(reading: Reading, nodes = 1): Promise<EventReader> {
    const reader = await EventReader.open(reading);
    await reader.follows(nodes);
    return reader;
  }

  static closeAll(): void {
    for (const reader of EventReader.#open) reader.close();
    EventReader.#open.clear();
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  get lastId(): string {
    return this.events.at(-1)?.id ?? '';
  }

  get types(): string[] {
    return this.events.map(({ event }) => event);
  }

  of(type: string): ServerEvent['data'][] {
    return this.events.filter(({ event }) => event === type).map(({ data }) => data);
  }

  /** Resolves with the first so many events of a type. */
  async some(type: string, count = 1, timeoutMs = 5000): Promise<ServerEvent['data'][]> {
    const message = () => `${count} ${type} among ${JSON.stringify(this.types)}`;
    await until(() => this.of(type).length >= count, { timeoutMs, message });
    return this.of(type).slice(0, count);
  }

  /** Resolves when the last status names so many nodes, all of which reply. */
  async follows(nodes: number, timeoutMs = 10_000): Promise<void> {
    const isComplete = () => {
      const status = this.of('status').at(-1);
      const all: { readonly status: string }[] = status?.nodes ?? [];
      return all.length === nodes && status?.degraded === undefined && all.every(({ status: each }) => each === 'ok');
    };
    const message = () => `${nodes} nodes: ${this.response.statusCode} ${this.text.slice(-500)}`;
    await until(isComplete, { timeoutMs, message });
  }

  async ended(timeoutMs = 5000): Promise<void> {
    await until(() => this.endedWell !== null, { timeoutMs, message: 'the end of the stream' });
  }

  close(): void {
    this.response.destroy();
  }

  #take(part: string): void {
    this.text += part;
    const frames = (this.#rest + part).split('\n\n');
    this.#rest = frames.pop() ?? '';
    for (const frame of frames) this.#read(frame.split('\n'));
  }

  #read(lines: readonly string[]): void {
    const fields: Record<string, string> = {};
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
      if (name === '') this.comments++;
      else if (name === 'retry') this.retries.push(Number(value));
      else fields[name] = value;
    }
    const { event, id = '', data } = fields;
    if (event !== undefined && data !== undefined) this.events.push({ event, id, data: JSON.parse(data) as unknown });
  }
}
