import type { TransportKind, TransportName } from '../../connection/transport.js';
import { CloseCodes, mayReconnect } from '../../protocol/close-code.js';

/** A code after which a client of graphql-ws neither reconnects nor retries: `Unauthorized` in its protocol. */
const GRAPHQL_FINAL = 4401;
/**
 * A code after which it reconnects. 4004 and 4005, with which this library asks for a reconnect, are fatal errors in its protocol.
 */
const GRAPHQL_RECONNECT = 4408;

const asItIs = (code: number) => code;

function graphqlCode(code: number): number {
  if (!mayReconnect(code)) return GRAPHQL_FINAL;
  return code === CloseCodes.rate.code || code === CloseCodes.reconnect.code ? GRAPHQL_RECONNECT : code;
}

/** The kinds of transport whose sockets are WebSockets of `ws`: those of gateways, and of tracked servers. */
export const KINDS = Object.freeze({
  ws: kind('ws', true, asItIs),
  'graphql-ws': kind('graphql-ws', false, graphqlCode),
  other: kind('other', false, asItIs),
});

function kind(name: TransportName, inBroadcasts: boolean, sentCode: (code: number) => number): TransportKind {
  return Object.freeze({ name, inBroadcasts, sentCode });
}
