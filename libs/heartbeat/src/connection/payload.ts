import { CloseCodes } from '../protocol/close-code.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Closing } from './connection.types.js';

/** The event that announces a close to a client of the application heartbeat, with its reason. */
export function goodbye(code: number, reason: string, retryAfterMs: number | undefined): string {
  return JSON.stringify({
    event: 'goodbye',
    data: { code, reason, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  });
}

/** The data that is sent: text and bytes as they are, any other value as JSON. */
export function payloadOf(data: unknown): string | Buffer {
  if (typeof data === 'string' || Buffer.isBuffer(data)) return data;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  return JSON.stringify(data) ?? '';
}

/** The facts about the end of a connection. */
export interface Ended {
  readonly id: string;
  readonly closing: Closing | null;
}

/**
 * The error of each send after the end, and the reason of the signal. All sends that the end of a connection rejects share one error: a
 * separate error, with its stack, would cost 750 bytes for each message to a client that reads nothing.
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

/** Keyed by connection, and not kept longer: the stack of an error references the objects whose methods were running. */
const CLOSED_ERRORS = new WeakMap<Ended, { readonly closing: Closing | null; readonly error: HeartbeatError }>();

/** The end of a connection that this server did not close: `code` and `reason` as `ws` reports them. */
export function endOf(code: number, reason: string): Closing {
  if (code === CloseCodes.abnormal.code) return { code, reason: CloseCodes.abnormal.name, by: 'network' };
  return { code, reason, by: 'client' };
}
