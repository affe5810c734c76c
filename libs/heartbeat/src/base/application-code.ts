/** Kinds of application code that the library calls. They are the label values of `application_errors_total`. */
export const APPLICATION_CODE = [
  /** A message handler, and the stream that it returns. */
  'handler',
  /** `afterInit`, `handleConnection` or `handleDisconnect` of a gateway. */
  'hook',
  /** A disposer of `Connection.defer`. */
  'disposer',
  /** A subscriber of `HeartbeatEvents`. */
  'subscriber',
  /** A listener on the socket of a client or on the server of a gateway. */
  'listener',
  'message-parser',
  'authenticate',
  'verify-client',
  /** A handshake guard of a gateway, or `handshakeMiddleware`. */
  'guard',
  /** `handleProtocols` of a gateway, and any other code that fails while a handshake is answered. */
  'handshake',
  /** A metric in the application's registry that cannot be read. */
  'metric',
] as const;
export type ApplicationCode = (typeof APPLICATION_CODE)[number];

const PLACES: Readonly<Record<string, ApplicationCode>> = {
  'a disposer': 'disposer',
  'the end of a stream of answers': 'handler',
  afterInit: 'hook',
  handleConnection: 'hook',
  handleDisconnect: 'hook',
  verifyClient: 'verify-client',
};

/** The kind of code that log lines name `what`. */
export function applicationCodeOf(what: string): ApplicationCode {
  return PLACES[what] ?? (what.startsWith('a listener') ? 'listener' : 'handshake');
}
