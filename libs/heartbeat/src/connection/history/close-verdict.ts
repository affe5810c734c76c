import type { Clock } from '../../base/clock.js';
import type { Stall } from '../../node/stall-log.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { printable } from '../../base/printable.js';
import { CloseCodes } from '../../protocol/close-code.js';
import type { Closing } from '../connection.types.js';
import type { Facts } from '../listing/view.js';
import { durationText } from './duration-text.js';
import type { CauseNote, FlightNote } from './flight-note.js';
import { quoted } from './flight-sentences.js';
import { type FlightRecord, lastNote } from './flight-record.js';

/** The facts about an end from which the verdict is made. Times are monotonic milliseconds. */
export interface Ending {
  readonly closing: Closing;
  readonly closedAt: number;
  readonly facts: Pick<Facts, 'lastSeenAt' | 'userId' | 'missedPongs' | 'polling'>;
  /** The code in the close frame. */
  readonly sentCode: number;
  readonly notes: FlightRecord | null;
  readonly stalls: readonly Stall[];
}

/** The parts of the sentence that several causes share. */
interface Parts {
  readonly options: ResolvedOptions;
  readonly user: string;
  /** `the server closed it with 4001 at 2026-…`. */
  readonly closedIt: string;
  /** `with 4001 and the reason "…" at 2026-…`. */
  readonly withReason: string;
  /** `41 s earlier`. */
  readonly lastByte: string;
  readonly at: string;
}

type NoteOf<Kind> = Extract<FlightNote, { readonly kind: Kind }>;

/** Causes for which the connection is destroyed: no code is sent. */
const DESTROYED = new Set<FlightNote['kind']>(['missed', 'slow', 'unread', 'terminated']);
/** Causes to which a stall of the server may have contributed. */
const WITH_STALLS = new Set<FlightNote['kind']>(['missed', 'full', 'slow', 'unread', 'limit', 'incomplete', 'shed']);
/** A stall that ended within this time before the end of a connection may be its cause. */
const RECENT_MS = 60_000;

/** The sentences of closes that the server began, by the cause that the rule has noted. */
const CAUSES: { readonly [Kind in CauseNote['kind']]: (note: NoteOf<Kind>, parts: Parts) => string } = {
  missed: ({ missed, timeoutMs }, { at, lastByte }) => {
    const pings = missed === 1 ? 'a ping stayed unanswered' : `${missed} pings in a row stayed unanswered`;
    const each = missed === 1 ? '' : ' each';
    return `The client stopped answering: ${pings} for ${durationText(timeoutMs)}${each}, so the server ended the connection at ${at} (4000); its last byte came ${lastByte}`;
  },
  limit: ({ limit, most }, { closedIt }) => `${LIMITS[limit](most)}, so ${closedIt}`,
  incomplete: (_, { options, closedIt }) =>
    `A message of the client was not complete after ${durationText(options.limits.messageTimeoutMs)} (limits.messageTimeoutMs), so ${closedIt}`,
  full: ({ bufferedBytes, messages, bytes }, { options, closedIt }) =>
    `The client read too slowly: ${bufferedBytes} bytes in ${messages} messages waited for it, and ${bytes} more would exceed backpressure.maxBufferedBytes (${options.backpressure.maxBufferedBytes}), so ${closedIt}`,
  slow: ({ bufferedBytes, why }, { options: { backpressure }, closedIt }) =>
    why === 'slow'
      ? `The client read too slowly: ${bufferedBytes} bytes waited for it, and for ${durationText(backpressure.slowAfterMs)} (backpressure.slowAfterMs) it took less than ${backpressure.minDrainBytesPerSecond} bytes in a second, so ${closedIt}`
      : `The bytes that waited for all clients exceeded backpressure.maxTotalBufferedBytes (${backpressure.maxTotalBufferedBytes}), and the ${bufferedBytes} of this one were among the most, so ${closedIt}`,
  unread: ({ bufferedBytes }, { closedIt }) =>
    `The client sent pings and did not read the answers: ${bufferedBytes} bytes waited for it, so ${closedIt}`,
  kicked: ({ by }, { withReason }) => `${actor(by)} kicked it ${withReason}`,
  banned: ({ ban, target, value, by }, { withReason }) => {
    const [id, banned] = [printable(ban), `the ${TARGETS[target]} ${quoted(value)}`];
    return by === undefined
      ? `The ban ${id} of ${banned} matched the client, which was closed ${withReason}`
      : `${actor(by)} banned ${banned} (ban ${id}), so the client was closed ${withReason}`;
  },
  drained: ({ reason }, { closedIt }) =>
    reason === null
      ? `The node began to drain while the upgrade of the client was in progress, so ${closedIt}; the client may reconnect to another node`
      : `The node drained (${printable(reason)}), so ${closedIt}; the client may reconnect to another node`,
  terminated: (_, { at }) =>
    `The connection was still open at the deadline of a drain, or when the process ended, so the server destroyed it at ${at}`,
  shed: ({ ratio, source }, { closedIt }) =>
    `The server was overloaded (load ${ratio.toFixed(2)} by ${source}) and shed the longest idle connections, so ${closedIt}`,
  'user-limit': (_, { user, closedIt }) =>
    `The client was identified as ${user}, which already had limits.maxPerUser connections, so ${closedIt}`,
  replaced: (_, { user, closedIt }) =>
    `A newer connection of ${user} replaced it (limits.onUserLimit is replace-oldest), so ${closedIt}`,
  idle: (_, { options, closedIt }) =>
    `No application message passed in either direction for ${durationText(options.reaper.idleTimeoutMs)} (reaper.idleTimeoutMs), so ${closedIt}`,
  lifetime: (_, { options, closedIt }) =>
    `The connection reached its lifetime (reaper.maxLifetimeMs, ${durationText(options.reaper.maxLifetimeMs)} with jitter), so ${closedIt}`,
  unauthenticated: (_, { options, closedIt }) =>
    `The client was not identified within ${durationText(options.reaper.identifyTimeoutMs)} (reaper.identifyTimeoutMs), so ${closedIt}`,
  expired: (_, { user, closedIt }) => `The identity of ${user} expired (expiresAt), so ${closedIt}`,
  application: ({ call }, { at, withReason }) =>
    call === 'terminate'
      ? `The application ended the connection with terminate() at ${at}, without a close frame`
      : `The application closed it ${withReason}`,
};

const LIMITS = {
  messages: (most = 0) => `The client sent more than limits.messagesPerSecond allows (${most})`,
  pings: (most = 0) => `The client sent more pings than limits.pingsPerSecond allows (${most})`,
  input: (most = 0) =>
    `The client sent more at once than the server holds: over backpressure.maxBufferedBytes (${most}) after inflation`,
} as const;

function actor(by: string): string {
  return by === 'application' ? 'The application' : `An operator (${printable(by)})`;
}

const TARGETS = { user: 'user', ip: 'address', cidr: 'network' } as const;

/** Closes that `ws` begins by itself. */
const VIOLATIONS: Readonly<Record<number, string>> = {
  1002: 'The client violated the WebSocket protocol',
  1007: 'The client sent a text that is not UTF-8, or compressed data that is invalid',
  1008: 'The client sent a message with more than limits.maxFragments fragments',
  1009: 'The client sent a message over limits.maxMessageBytes',
};

/** Codes of clients, with their meanings in RFC 6455, section 7.4.1. */
const CLIENT_CODES: Readonly<Record<number, string>> = {
  1000: 'normal closure',
  1001: 'going away, as a browser that leaves the page',
  1011: 'an error of the client',
};
const NO_CODE = 1005;

/** Errors of the network: errno(3). */
const NETWORK_ERRORS: Readonly<Record<string, string>> = {
  ECONNRESET: 'the client, or a device on the way, reset it',
  EPIPE: 'the client, or a device on the way, had ended it',
  ETIMEDOUT: 'what the server sent was not acknowledged in time',
  EHOSTUNREACH: 'the client could not be reached',
  ENETUNREACH: 'the client could not be reached',
};

/**
 * The reason of an end in one sentence, from the recorded facts alone. The side that closed first decides; a close of the server has the
 * cause that its rule noted. It is on one line, whatever the client has sent.
 */
export function verdictOf(ending: Ending, options: ResolvedOptions, clock: Pick<Clock, 'wallTime'>): string {
  const { closing, closedAt, facts, sentCode } = ending;
  const at = clock.wallTime(closedAt).toISOString();
  const code = sentCode === closing.code ? `${closing.code}` : `${closing.code} (sent as ${sentCode})`;
  const parts: Parts = {
    options,
    user: facts.userId === null ? 'the user' : `the user ${quoted(facts.userId.slice(0, 200))}`,
    closedIt: `the server closed it with ${code} at ${at}`,
    withReason: `with ${code}${closing.reason === '' ? '' : ` and the reason ${quoted(closing.reason)}`} at ${at}`,
    lastByte: `${durationText(Math.max(0, closedAt - facts.lastSeenAt))} earlier`,
    at,
  };
  if (closing.by === 'client') return `${clientClause(closing, parts)}${stallClause(ending, clock)}.`;
  if (closing.by === 'network') return `${networkClause(ending, parts)}${stallClause(ending, clock)}.`;
  const cause = lastNote(ending.notes, note => isCause(note, closing.code));
  const stall = cause !== undefined && WITH_STALLS.has(cause.kind) ? stallClause(ending, clock) : '';
  const isUnseen = facts.polling === true && !(cause !== undefined && DESTROYED.has(cause.kind));
  const unseen = isUnseen ? '; the client was polling, which shows it neither code nor reason' : '';
  return `${cause === undefined ? unnotedClause(ending, parts) : causeClause(cause, parts)}${unseen}${stall}.`;
}

/** A close by `ws` itself, or by the application on the socket. */
function unnotedClause({ closing, notes }: Ending, { closedIt, withReason }: Parts): string {
  const violation = VIOLATIONS[closing.code];
  const error = violation === undefined ? undefined : lastNote(notes, isViolation);
  if (error?.kind === 'error') return `${violation} (${printable(error.message)}), so ${closedIt}`;
  return `The ${closing.by === 'operator' ? 'operator' : 'server'} closed it ${withReason}`;
}

function causeClause(note: FlightNote, parts: Parts): string {
  // The type of the table guarantees that each kind has a sentence for its own notes.
  const clause = CAUSES[note.kind as CauseNote['kind']] as (note: FlightNote, parts: Parts) => string;
  return clause(note, parts);
}

function clientClause({ code, reason }: Closing, { at }: Parts): string {
  const meaning = CLIENT_CODES[code];
  const shown = code === NO_CODE ? 'without a code' : `with ${code}${meaning === undefined ? '' : ` (${meaning})`}`;
  return `The client closed it itself ${shown}${reason === '' ? '' : ` and the reason ${quoted(reason)}`} at ${at}`;
}

function networkClause({ facts, notes }: Ending, { at, lastByte }: Parts): string {
  const error = lastNote(notes, ({ kind }) => kind === 'error');
  const code = error?.kind === 'error' ? error.code : undefined;
  const text =
    code === undefined
      ? 'the side of the client ended it'
      : `${NETWORK_ERRORS[code] ?? 'it failed'} (${printable(code)})`;
  const pings =
    facts.missedPongs === 0
      ? ''
      : `, ${facts.missedPongs} ${facts.missedPongs === 1 ? 'ping' : 'pings'} before it had no answer`;
  return `The connection was lost without a close frame at ${at}: ${text}; its last byte came ${lastByte}${pings}`;
}

function stallClause({ closedAt, stalls }: Ending, clock: Pick<Clock, 'wallTime'>): string {
  const stall = stalls.findLast(({ to }) => closedAt - to <= RECENT_MS);
  if (stall === undefined) return '';
  return `; the server itself was stalled for ${durationText(stall.lostMs)} until ${clock.wallTime(stall.to).toISOString()}`;
}

function isCause(note: FlightNote, code: number): boolean {
  // A missed ping is the cause of a heartbeat timeout only.
  return note.kind === 'missed' ? code === CloseCodes.heartbeatTimeout.code : Object.hasOwn(CAUSES, note.kind);
}

function isViolation(note: FlightNote): boolean {
  return note.kind === 'error' && note.code?.startsWith('WS_ERR_') === true;
}
