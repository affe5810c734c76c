import { isSendableCloseCode } from '../protocol/close-code.js';
import { HeartbeatError } from './heartbeat.error.js';

/** @throws HeartbeatError `HEARTBEAT_BAD_CLOSE` for a code that cannot be sent. */
export function assertSendable(code: number): void {
  if (isSendableCloseCode(code)) return;
  const rule = 'it must be 1000-1003, 1007-1014 or 3000-4999 (RFC 6455, section 7.4)';
  throw new HeartbeatError('HEARTBEAT_BAD_CLOSE', `close code ${code} cannot be sent: ${rule}`);
}
