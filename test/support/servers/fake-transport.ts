import type { SharedMessage } from '../../../libs/heartbeat/src/connection/shared-message.js';
import type { Sent, Transport } from '../../../libs/heartbeat/src/connection/transport.js';

/** What a test has of a client's socket: each member that its case needs. */
interface FakeSocket {
  readonly readyState?: number;
  readonly isPaused?: boolean;
  readonly bufferedAmount?: number;
  readonly hasIncompleteMessage?: boolean;
  send?(data: unknown, sent?: Sent): unknown;
  sendShared?(message: SharedMessage): unknown;
  ping?(): unknown;
  pong?(): unknown;
  close?(code: number, reason: string): unknown;
  terminate?(): unknown;
  holdBack?(): unknown;
  letGo?(): unknown;
}

/** The same of the network under it. */
interface FakeNetwork {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly writableLength?: number;
  isPaused?(): boolean;
  cork?(): unknown;
  uncork?(): unknown;
}

const OPEN = 1;
const CLOSED = 3;

/** A transport without a network, of which the test gives the parts that it looks at. They are read at each use. */
export function transportOf(socket: FakeSocket = {}, network: FakeNetwork = {}): Transport {
  return {
    kind: { name: 'ws', inBroadcasts: true, sentCode: code => code },
    emitters: [],
    get isOpen() {
      return (socket.readyState ?? OPEN) === OPEN;
    },
    get isClosed() {
      return socket.readyState === CLOSED;
    },
    get isHalted() {
      return socket.isPaused === true || network.isPaused?.() === true;
    },
    get bytesRead() {
      return network.bytesRead ?? 0;
    },
    get bytesTaken() {
      return (network.bytesWritten ?? 0) - (network.writableLength ?? 0);
    },
    get bytesGiven() {
      return network.bytesWritten ?? 0;
    },
    get bytesWaiting() {
      return socket.bufferedAmount ?? 0;
    },
    get hasIncompleteMessage() {
      return socket.hasIncompleteMessage ?? false;
    },
    ping: () => void socket.ping?.(),
    probe: () => void socket.pong?.(),
    write: (data, _options, sent) => void socket.send?.(data, sent),
    writeShared: message => void socket.sendShared?.(message),
    shut: (code, reason) => void socket.close?.(code, reason),
    destroy: () => void socket.terminate?.(),
    holdBack: () => void socket.holdBack?.(),
    letGo: () => void socket.letGo?.(),
    cork: () => void network.cork?.(),
    uncork: () => void network.uncork?.(),
  };
}
