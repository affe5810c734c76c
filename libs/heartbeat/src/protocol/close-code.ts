/** The action of a client after a close: reconnect at once, reconnect after the advised delay, or do not reconnect. */
export type ComeBack = 'yes' | 'after-delay' | 'no';

export interface CloseCode {
  readonly code: number;
  /** A short text for the close frame, for logs and for pages. */
  readonly name: string;
  readonly comeBack: ComeBack;
}

const define = (code: number, name: string, comeBack: ComeBack): CloseCode => Object.freeze({ code, name, comeBack });

/**
 * The close codes that this library sends or records: docs/protocol.md. A client may reconnect after any code below 4500, and must not
 * reconnect after 4500 and above. Codes under 3000 are defined in RFC 6455, section 7.4.1; 4000 to 4999 are free for applications (section
 * 7.4.2).
 */
export const CloseCodes = Object.freeze({
  goingAway: define(1001, 'server is going away', 'after-delay'),
  abnormal: define(1006, 'connection lost', 'yes'),
  tooBig: define(1009, 'message too big', 'yes'),
  serviceRestart: define(1012, 'server is going away', 'after-delay'),
  tryAgainLater: define(1013, 'server is overloaded', 'after-delay'),
  heartbeatTimeout: define(4000, 'heartbeat timeout', 'yes'),
  idle: define(4001, 'idle', 'yes'),
  lifetime: define(4002, 'lifetime reached', 'yes'),
  slowConsumer: define(4003, 'slow consumer', 'yes'),
  rate: define(4004, 'rate exceeded', 'yes'),
  reconnect: define(4005, 'reconnect', 'after-delay'),
  overloaded: define(4006, 'server is overloaded', 'after-delay'),
  kicked: define(4500, 'kicked', 'no'),
  banned: define(4501, 'banned', 'no'),
  replaced: define(4502, 'replaced by a newer connection', 'no'),
  unauthenticated: define(4503, 'unauthenticated', 'no'),
});

/** Whether a client may reconnect after this code. */
export function mayReconnect(code: number): boolean {
  return code < 4500;
}

/** The initiator of a close: the peer, this application, an operator through the admin API, or `network` for a lost connection. */
export type ClosedBy = 'client' | 'server' | 'operator' | 'network';

/** Maximum length of the reason in a close frame, in bytes of UTF-8 (RFC 6455, section 5.5). */
const MAX_REASON_BYTES = 123;

/**
 * The reason of a close frame: the text, and `; retry-after=<ms>` where a delay is advised. A text that does not fit is cut at a whole
 * character; the delay always stays.
 */
export function closeReason(words: string, retryAfterMs?: number): string {
  const tail = retryAfterMs === undefined ? '' : `; retry-after=${retryAfterMs}`;
  const room = MAX_REASON_BYTES - tail.length;
  const bytes = new TextEncoder().encode(words);
  if (bytes.length <= room) return words + tail;
  // A cut within a character decodes to U+FFFD, which is removed.
  return new TextDecoder().decode(bytes.subarray(0, room)).replace(/�+$/, '') + tail;
}

/** Whether `code` may be sent in a close frame by an endpoint (RFC 6455, section 7.4). */
export function isSendableCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
