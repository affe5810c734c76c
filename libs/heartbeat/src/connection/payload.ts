import { CloseCodes } from '../close-code.js';
import { HeartbeatError } from '../heartbeat.error.js';
import type { Closing } from './connection-words.js';

/** The event that tells a client of the application heartbeat that the server is about to close, and why. */
export function goodbye(code: number, reason: string, retryAfterMs: number | undefined): string {
  return JSON.stringify({
    event: 'goodbye',
    data: { code, reason, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  });
}

/** What goes on the wire: text and bytes as they are, anything else as JSON. */
export function payloadOf(data: unknown): string | Buffer {
  if (typeof data === 'string' || Buffer.isBuffer(data)) return data;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  return JSON.stringify(data) ?? '';
}

/** Why nothing can be sent any more, and the reason of the signal. */
export function closedError(id: string, closing: Closing | null): HeartbeatError {
  const { code, reason } = closing ?? { code: CloseCodes.abnormal.code, reason: CloseCodes.abnormal.name };
  return new HeartbeatError('HEARTBEAT_CONNECTION_CLOSED', `connection ${id} is closed: ${code} ${reason}`.trimEnd());
}

/** How a connection has ended that this server did not begin to close: `code` and `reason` as `ws` reports them. */
export function endOf(code: number, reason: string): Closing {
  if (code === CloseCodes.abnormal.code) return { code, reason: CloseCodes.abnormal.name, by: 'network' };
  return { code, reason, by: 'client' };
}
