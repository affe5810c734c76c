import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../support/assert/until.js';

/** Node cannot set a socket's buffers, and the kernel's own would take in one gulp what this is to read for minutes. */
const PYTHON = '/usr/bin/python3';

/** Opens a WebSocket, sends one text, and reads the reply at its pace; reports its progress each second. */
const READER = `
import base64, os, socket, struct, sys, time

port, pace, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
line = socket.socket()
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
# As over a modem: the segments of the loopback would let the server's kernel hold megabytes.
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
line.connect(("127.0.0.1", port))
key = base64.b64encode(os.urandom(16)).decode()
line.sendall(f"GET /ws HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
             f"Sec-WebSocket-Key: {key}\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n".encode())
answer = b""
while not answer.endswith(b"\\r\\n\\r\\n"):
    answer += line.recv(1)
if not answer.startswith(b"HTTP/1.1 101"):
    sys.exit(answer.decode())
# A mask of zeroes is a mask; up to 125 bytes the length is one byte.
line.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text)
print(0, flush=True)
read, since, reported = 0, time.monotonic(), 0
try:
    while True:
        time.sleep(0.1)
        due = int(pace * (time.monotonic() - since)) - read
        while due > 0:
            some = line.recv(due)
            if not some:
                sys.exit()
            due -= len(some)
            read += len(some)
        if time.monotonic() - reported >= 1:
            reported = time.monotonic()
            print(read, flush=True)
except ConnectionError:
    pass
`;

/** A client behind a slow line: a receive window of a few kilobytes, out of which it reads at a steady pace. */
export class SlowReader {
  static readonly #running = new Set<SlowReader>();
  /** The bytes read at its last report. */
  bytes = 0;
  /** Whether its connection has ended; one that does not read cannot notice that. */
  ended = false;
  #isOpen = false;
  #complaints = '';

  private constructor(private readonly child: ChildProcess) {
    SlowReader.#running.add(this);
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      const last = lines.at(-1);
      if (last === undefined) return;
      this.#isOpen = true;
      this.bytes = Number(last);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#complaints += text));
    child.once('error', ({ message }) => {
      this.#complaints += message;
      SlowReader.#running.delete(this);
    });
    child.once('exit', () => (this.ended = true));
  }

  /** Connects to `/ws`, sends `event`, and reads at that pace what follows. */
  static async open(port: number, bytesPerSecond: number, event: object): Promise<SlowReader> {
    const words = ['-c', READER, `${port}`, `${bytesPerSecond}`, JSON.stringify(event)];
    const reader = new SlowReader(spawn(PYTHON, words, { stdio: ['ignore', 'pipe', 'pipe'] }));
    await until(() => reader.#isOpen || reader.#complaints !== '', { timeoutMs: 10_000, message: 'a slow reader' });
    if (!reader.#isOpen) throw new Error(`the slow reader did not open: ${reader.#complaints}`);
    return reader;
  }

  /** Ends every slow reader of this file. */
  static async stopAll(): Promise<void> {
    await Promise.all([...SlowReader.#running].map(reader => reader.#stop()));
  }

  async #stop(): Promise<void> {
    SlowReader.#running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}
