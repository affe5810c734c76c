import { CloseCodes } from '../protocol/close-code.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Closing } from './connection.types.js';

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

/** What is stated of the end of a connection. */
interface Ended {
  readonly id: string;
  readonly closing: Closing | null;
}

/**
 * The error of each send after the end, and the reason of the signal. All sends that the end of a connection refuses share one error: an error
 * of its own, with its stack, costs 750 bytes for each message of a client that reads nothing.
 */
export function closedError(connection: Ended): HeartbeatError {
  const { id, closing } = connection;
  const known = CLOSED_ERRORS.get(connection);
  if (known !== undefined && known.closing === closing) return known.error;
  const { code, reason } = closing ?? { code: CloseCodes.abnormal.code, reason: CloseCodes.abnormal.name };
  const text = `connection ${id} is closed: ${code} ${reason}`.trimEnd();
  const error = new HeartbeatError('HEARTBEAT_CONNECTION_CLOSED', text);
  CLOSED_ERRORS.set(connection, { closing, error });
  return error;
}

/** By connection, and by nothing that lives longer: the stack of an error holds the objects whose methods were running. */
const CLOSED_ERRORS = new WeakMap<Ended, { readonly closing: Closing | null; readonly error: HeartbeatError }>();

/** How a connection has ended that this server did not begin to close: `code` and `reason` as `ws` reports them. */
export function endOf(code: number, reason: string): Closing {
  if (code === CloseCodes.abnormal.code) return { code, reason: CloseCodes.abnormal.name, by: 'network' };
  return { code, reason, by: 'client' };
}
