import { printable } from '../../base/printable.js';
import { type FlightRow, INPUT_LIMITS } from './flight-note.js';

type RowOf<Kind> = Extract<FlightRow, { readonly kind: Kind }>;

/** The sentences of flight records: one for each kind of entry. */
const SENTENCES: { readonly [Kind in FlightRow['kind']]: (row: RowOf<Kind>) => string } = {
  opened: () => 'opened',
  identified: ({ userId }) => `identified as ${quoted(userId)}`,
  pings: ({ answered, lastMs, minMs, maxMs, meanMs }) => {
    const pings = `${answered} ${answered === 1 ? 'ping' : 'pings'} answered`;
    return lastMs === null
      ? pings
      : `${pings}; round trip ${lastMs} ms, from ${minMs} to ${maxMs} ms, ${meanMs} ms on average`;
  },
  missed: ({ missed, timeoutMs }) => `ping ${missed} unanswered for ${timeoutMs} ms`,
  answered: ({ missed }) => `alive again after ${missed} unanswered ${missed === 1 ? 'ping' : 'pings'}`,
  paused: ({ inFlight, bytes }) => `not read: ${inFlight} handlers run, and ${bytes} bytes of messages wait`,
  resumed: ({ pausedMs }) => `read again after ${pausedMs} ms`,
  upgraded: () => 'HTTP polling was replaced by a WebSocket',
  stall: ({ stalledMs }) => `the server was stalled for ${stalledMs} ms`,
  refused: ({ reason, count }) => `${count} ${count === 1 ? 'message' : 'messages'} refused: ${reason}`,
  dropped: ({ count }) => `${count} ${count === 1 ? 'message' : 'messages'} to it dropped (drop-newest)`,
  limit: ({ limit }) => INPUT_LIMITS[limit],
  incomplete: () => 'a message stayed unfinished',
  full: ({ bufferedBytes, messages, bytes }) =>
    `${bufferedBytes} bytes in ${messages} messages wait for it, and ${bytes} more were to be sent`,
  slow: ({ bufferedBytes, why }) => `${bufferedBytes} bytes waited for it (${why})`,
  unread: ({ bufferedBytes }) => `${bufferedBytes} bytes waited for it when it sent a ping`,
  error: ({ message }) => `protocol or network error: ${printable(message)}`,
  kicked: ({ by }) => `kicked by ${printable(by)}`,
  banned: ({ ban, target, value, by }) => {
    const actor = by === undefined ? '' : ` by ${printable(by)}`;
    return `the ban ${printable(ban)} of ${target} ${quoted(value)}${actor} matched it`;
  },
  drained: ({ reason }) =>
    reason === null
      ? 'its upgrade was in progress when the drain began'
      : `the drain of the node reached it: ${printable(reason)}`,
  terminated: () => 'terminated at the end of a drain or of the process',
  shed: ({ ratio, source }) => `one of the longest idle while the load was ${ratio.toFixed(2)} (${source})`,
  'user-limit': () => 'its user has limits.maxPerUser connections',
  replaced: () => 'its user opened a newer connection',
  idle: () => 'idle for reaper.idleTimeoutMs',
  lifetime: () => 'open for reaper.maxLifetimeMs',
  unauthenticated: () => 'not identified within reaper.identifyTimeoutMs',
  expired: () => 'its identity expired',
  application: ({ call }) => `${call}() of the application`,
  closed: ({ code, reason, by }) => `closed with ${code}${reason === '' ? '' : ` ${quoted(reason)}`} by ${BY[by]}`,
};

/** All kinds of entries. */
export const FLIGHT_KINDS: readonly string[] = Object.keys(SENTENCES);

const BY = { client: 'the client', server: 'the server', operator: 'an operator', network: 'the network' };

/** A row as a sentence for display: on one line, whatever a client, an operator or an application has sent. */
export function sentenceOf(row: FlightRow): string {
  // The type of the table guarantees that each kind has a sentence for its own rows.
  const sentence = SENTENCES[row.kind] as (row: FlightRow) => string;
  return sentence(row);
}

/** A text in quotes that it cannot end. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text), text.length * 6 + 2);
}
