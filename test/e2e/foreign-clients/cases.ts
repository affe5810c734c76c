/** A close frame as the server sends it, the end of a socket without one, or a refused upgrade. */
export type Case = { readonly code: number; readonly reason: string } | 'lost' | { readonly status: number };

/** Longer than any backoff: a return before that did not follow the advice. */
export const ADVISED_MS = 600_000;

const advised = (text: string) => `${text}; retry-after=${ADVISED_MS}`;

/** What the first connection of a client meets, by the codes in the header of the table in docs/protocol.md. */
export const CASES: Readonly<Record<string, Case>> = {
  '1001': { code: 1001, reason: advised('server is going away') },
  '1012': { code: 1012, reason: advised('server is going away') },
  '1013': { code: 1013, reason: advised('server is overloaded') },
  '4000': 'lost',
  '4005': { code: 4005, reason: advised('reconnect') },
  '4500': { code: 4500, reason: 'kicked' },
  '401': { status: 401 },
  '429': { status: 429 },
  '503': { status: 503 },
};

/** How a client draws its delays: always the least, or always the most. */
export const DRAWS = ['least', 'most'] as const;
export type Draw = (typeof DRAWS)[number];

/** The clients of `node-clients.mjs`, by the names of their packages. */
export const NODE_CLIENTS = [
  'ws',
  'partysocket',
  'reconnecting-websocket',
  'graphql-ws',
  'socket.io-client',
  'centrifuge',
  'phoenix',
  '@microsoft/signalr',
];
/** The client of `python-clients.py`. */
export const PYTHON_CLIENT = 'websockets';
