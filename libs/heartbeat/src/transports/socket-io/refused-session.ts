import type { Refusal } from '../../admission/refusal.js';
import { problemOf } from '../../base/problem.js';
import type { Encoder, EngineSession, SocketIoServer } from './engine-fields.js';

/** Types of packets in the protocol of Socket.IO. */
const CONNECT = 0;
const CONNECT_ERROR = 4;

interface DecodedPacket {
  readonly type: number;
  readonly nsp: string;
}

/**
 * Answers a refused session, which Socket.IO and the application must not see: each namespace that it asks for is refused with the type of the
 * problem and the advised delay. Its client does not reconnect by itself then.
 */
export function refuseSession(
  { _parser: parser, encoder }: SocketIoServer,
  session: EngineSession,
  { status, reason, detail, retryAfterMs }: Refusal,
): void {
  const { type } = problemOf(reason, status, detail);
  const data = { message: detail, data: { type, status, ...(retryAfterMs !== undefined && { retryAfterMs }) } };
  session.removeAllListeners('data');
  const decoder = new parser.Decoder();
  decoder.on('decoded', ({ type: given, nsp }: DecodedPacket) => {
    if (given === CONNECT) connectError(session, encoder, nsp, data);
  });
  session.on('data', (packet: string | Buffer) => {
    try {
      decoder.add(packet);
    } catch {
      session.close();
    }
  });
}

/** Refuses a namespace, which its client does not ask for again by itself. */
export function connectError(session: EngineSession, encoder: Encoder, nsp: string, data: object): void {
  for (const packet of encoder.encode({ type: CONNECT_ERROR, nsp, data })) session.write(packet, {});
}
