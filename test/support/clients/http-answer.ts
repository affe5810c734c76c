/** A server's answer to an upgrade request; of a 101 the body is empty. */
export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name; a header that came several times is joined with commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads one HTTP/1.1 answer from a socket's bytes and hands back those that belong to the upgraded protocol. */
export class HttpAnswerReader {
  /** Resolves with the answer; rejects when the socket ended before there was one. */
  readonly answer: Promise<HttpAnswer>;
  #bytes: Buffer = Buffer.alloc(0);
  #head: { status: number; headers: Record<string, string>; bodyAt: number } | null = null;
  #upgraded = false;
  #resolve: (answer: HttpAnswer) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor() {
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether the answer was 101: what follows is not HTTP. */
  get upgraded(): boolean {
    return this.#upgraded;
  }

  /** Takes the next bytes. Returns those after a 101's head, null while the answer is still being read. */
  push(chunk: Buffer): Buffer | null {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#head ??= readHead(this.#bytes);
    if (this.#head === null) return null;
    const { status, headers, bodyAt } = this.#head;
    const rest = this.#bytes.subarray(bodyAt);
    if (status === 101) {
      this.#upgraded = true;
      this.#resolve({ status, headers, body: '' });
      return rest;
    }
    const length = headers['content-length'];
    const complete =
      length === undefined ? isChunked(headers) && rest.includes(LAST_CHUNK) : rest.length >= Number(length);
    if (complete) this.#finish();
    return null;
  }

  /** The socket is closed: an answer without a length is complete, one without a head will not come. */
  end(error: Error | null): void {
    if (this.#head === null) this.#reject(error ?? new Error('the socket was closed without an answer'));
    else this.#finish();
  }

  #finish(): void {
    if (this.#head === null) return;
    const { status, headers, bodyAt } = this.#head;
    const body = this.#bytes.toString('utf8', bodyAt);
    this.#resolve({ status, headers, body: isChunked(headers) ? dechunk(body) : body });
  }
}

const LAST_CHUNK = '0\r\n\r\n';

function isChunked(headers: Record<string, string>): boolean {
  return headers['transfer-encoding'] === 'chunked';
}

function readHead(bytes: Buffer): { status: number; headers: Record<string, string>; bodyAt: number } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return { status: Number(statusLine.split(' ')[1]), headers, bodyAt: end + 4 };
}

/** Joins the chunks of a body in chunked coding (RFC 9112, section 7.1); enough for the short ASCII bodies of a refusal. */
function dechunk(body: string): string {
  let joined = '';
  for (let rest = body; ;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (line < 0 || !(size > 0)) return joined;
    joined += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}
