import type { CauseNote } from '../../connection/history/flight-note.js';
import type { Closing } from '../../connection/connection.types.js';

/** The codes with which `ws` closes by itself, always without a reason. */
const OF_WS = new Set([1002, 1007, 1008, 1009]);
/** No status code: RFC 6455, section 7.4.1. */
const NO_CODE = 1005;
const CLOSED: CauseNote = Object.freeze({ kind: 'application', call: 'close' });

/** The entry of the flight record for `terminate()` of the application. */
export const TERMINATED_BY_APP: CauseNote = Object.freeze({ kind: 'application', call: 'terminate' });

/**
 * The record of a `close()` of a socket, and its entry in the flight record. `ws` calls it too: to answer the client, and for a protocol
 * violation, whose error follows. Both have no entry.
 */
export function closeCall(
  by: 'client' | 'server',
  code = NO_CODE,
  reason: string | Buffer = '',
): [closing: Closing, cause?: CauseNote] {
  const closing: Closing = { code, reason: String(reason), by };
  const isOfWs = by === 'client' || (OF_WS.has(code) && closing.reason === '');
  return isOfWs ? [closing] : [closing, CLOSED];
}
