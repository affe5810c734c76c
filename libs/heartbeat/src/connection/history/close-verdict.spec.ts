import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';

import { resolveOptions } from '../../options/resolve-options.js';
import type { Closing } from '../connection.types.js';
import { type Ending, verdictOf } from './close-verdict.js';
import { type FlightNote, noteText } from './flight-note.js';
import { type FlightRecord, withNote } from './flight-record.js';

const options = resolveOptions({
  reaper: { idleTimeoutMs: 600_000, maxLifetimeMs: 3_600_000 },
  limits: { messagesPerSecond: 5 },
});
const clock = { wallTime: (moment: number) => new Date(Date.UTC(2026, 10, 20, 14, 0) + moment) };
/** The time of each close below, 14:03:12. */
const CLOSED_AT = 192_000;
const AT = '2026-11-20T14:03:12.000Z';

interface Case extends Partial<Ending['facts'] & Pick<Ending, 'sentCode' | 'stalls'>> {
  readonly notes?: readonly FlightNote[];
}

function verdict(closing: Closing, { notes = [], sentCode = closing.code, stalls = [], ...facts }: Case = {}): string {
  const record = notes.reduce<FlightRecord | null>((known, note) => withNote(known, CLOSED_AT, note), null);
  const all = { lastSeenAt: CLOSED_AT - 41_000, userId: null, missedPongs: 0, ...facts };
  return verdictOf({ closing, closedAt: CLOSED_AT, facts: all, sentCode, notes: record, stalls }, options, clock);
}

const byServer = (code: number, reason: string): Closing => ({ code, reason, by: 'server' });
const byOperator = (code: number, reason: string): Closing => ({ code, reason, by: 'operator' });
const byClient = (code: number, reason = ''): Closing => ({ code, reason, by: 'client' });
const LOST: Closing = { code: 1006, reason: 'connection lost', by: 'network' };
const missed = (count: number): FlightNote => ({ kind: 'missed', missed: count, timeoutMs: 10_000 });
const wsError = (message: string): FlightNote => ({ kind: 'error', message, code: 'WS_ERR_INVALID_UTF8' });
const closedIt = (code: number | string) => `so the server closed it with ${code} at ${AT}`;

const TABLE: readonly (readonly [title: string, Closing, Case, string])[] = [
  // By the client.
  ['a client', byClient(1000), {}, `The client closed it itself with 1000 (normal closure) at ${AT}.`],
  [
    'a browser that leaves',
    byClient(1001),
    {},
    `The client closed it itself with 1001 (going away, as a browser that leaves the page) at ${AT}.`,
  ],
  ['a client without a code', byClient(1005), {}, `The client closed it itself without a code at ${AT}.`],
  [
    'a client with its own code and reason',
    byClient(4999, 'bye "now"'),
    {},
    `The client closed it itself with 4999 and the reason "bye \\"now\\"" at ${AT}.`,
  ],
  [
    'a client after a stall of the server',
    byClient(1000),
    { stalls: [{ from: 150_000, to: 160_000, lostMs: 9800 }] },
    `The client closed it itself with 1000 (normal closure) at ${AT}; the server itself was stalled for 9.8 s until 2026-11-20T14:02:40.000Z.`,
  ],
  [
    'a client long after a stall of the server',
    byClient(1000),
    { stalls: [{ from: 120_000, to: 131_999, lostMs: 9800 }] },
    `The client closed it itself with 1000 (normal closure) at ${AT}.`,
  ],
  // By the network.
  [
    'the network',
    LOST,
    {},
    `The connection was lost without a close frame at ${AT}: the side of the client ended it; its last byte came 41 s earlier.`,
  ],
  [
    'a reset',
    LOST,
    { notes: [{ kind: 'error', message: 'read ECONNRESET', code: 'ECONNRESET' }], lastSeenAt: CLOSED_AT },
    `The connection was lost without a close frame at ${AT}: the client, or a device on the way, reset it (ECONNRESET); its last byte came 0 ms earlier.`,
  ],
  [
    'an error without an explanation here, and a missed ping',
    LOST,
    { notes: [missed(1), { kind: 'error', message: 'read EIO', code: 'EIO' }], missedPongs: 1 },
    `The connection was lost without a close frame at ${AT}: it failed (EIO); its last byte came 41 s earlier, 1 ping before it had no answer.`,
  ],
  // By the server.
  [
    'a drain',
    byServer(1001, 'server is going away'),
    { notes: [{ kind: 'drained', reason: 'SIGTERM' }] },
    `The node drained (SIGTERM), ${closedIt(1001)}; the client may reconnect to another node.`,
  ],
  [
    'a drain with 1012, while the client polls',
    byServer(1012, 'server is going away'),
    { notes: [{ kind: 'drained', reason: 'SIGTERM' }], polling: true },
    `The node drained (SIGTERM), ${closedIt(1012)}; the client may reconnect to another node; the client was polling, which shows it neither code nor reason.`,
  ],
  [
    'a drain that began during the upgrade',
    byServer(1001, 'server is going away'),
    { notes: [{ kind: 'drained', reason: null }] },
    `The node began to drain while the upgrade of the client was in progress, ${closedIt(1001)}; the client may reconnect to another node.`,
  ],
  [
    'the deadline of a drain',
    byServer(1001, 'terminated at the end of a drain'),
    { notes: [{ kind: 'terminated' }] },
    `The connection was still open at the deadline of a drain, or when the process ended, so the server destroyed it at ${AT}.`,
  ],
  [
    'a frame that violates the protocol',
    byServer(1002, ''),
    { notes: [wsError('Invalid WebSocket frame: MASK must be set')] },
    `The client violated the WebSocket protocol (Invalid WebSocket frame: MASK must be set), ${closedIt(1002)}.`,
  ],
  [
    'a text that is not UTF-8, after a missed ping',
    byServer(1007, ''),
    { notes: [missed(1), wsError('Invalid UTF-8')] },
    `The client sent a text that is not UTF-8, or compressed data that is invalid (Invalid UTF-8), ${closedIt(1007)}.`,
  ],
  [
    'too many fragments',
    byServer(1008, ''),
    { notes: [wsError('Too many message parts')] },
    `The client sent a message with more than limits.maxFragments fragments (Too many message parts), ${closedIt(1008)}.`,
  ],
  [
    'too large a message',
    byServer(1009, ''),
    { notes: [wsError('Max payload size exceeded')] },
    `The client sent a message over limits.maxMessageBytes (Max payload size exceeded), ${closedIt(1009)}.`,
  ],
  [
    'terminate() of the application',
    byServer(1006, 'terminated'),
    { notes: [{ kind: 'application', call: 'terminate' }] },
    `The application ended the connection with terminate() at ${AT}, without a close frame.`,
  ],
  [
    'close() of the application',
    byServer(4321, 'ours'),
    { notes: [missed(1), { kind: 'application', call: 'close' }] },
    `The application closed it with 4321 and the reason "ours" at ${AT}.`,
  ],
  ['close(1009) of the socket', byServer(1009, ''), {}, `The server closed it with 1009 at ${AT}.`],
  [
    'a close without a cause',
    byOperator(4500, 'x'),
    {},
    `The operator closed it with 4500 and the reason "x" at ${AT}.`,
  ],
  [
    'overload',
    byServer(1013, 'server is overloaded'),
    { notes: [{ kind: 'shed', ratio: 0.98, source: 'heap' }] },
    `The server was overloaded (load 0.98 by heap) and shed the longest idle connections, ${closedIt(1013)}.`,
  ],
  [
    'overload with 4006',
    byServer(4006, 'server is overloaded'),
    { notes: [{ kind: 'shed', ratio: 0.98, source: 'heap' }] },
    `The server was overloaded (load 0.98 by heap) and shed the longest idle connections, ${closedIt(4006)}.`,
  ],
  [
    'the limit of a user',
    byServer(1013, 'user-limit'),
    { notes: [{ kind: 'identified', userId: 'ada' }, { kind: 'user-limit' }], userId: 'ada' },
    `The client was identified as the user "ada", which already had limits.maxPerUser connections, ${closedIt(1013)}.`,
  ],
  [
    'two unanswered pings',
    byServer(4000, 'heartbeat timeout'),
    { notes: [missed(1), missed(2)] },
    `The client stopped answering: 2 pings in a row stayed unanswered for 10 s each, so the server ended the connection at ${AT} (4000); its last byte came 41 s earlier.`,
  ],
  [
    'one unanswered ping beside a stall',
    byServer(4000, 'heartbeat timeout'),
    { notes: [missed(1)], stalls: [{ from: 180_000, to: 184_000, lostMs: 3200 }] },
    `The client stopped answering: a ping stayed unanswered for 10 s, so the server ended the connection at ${AT} (4000); its last byte came 41 s earlier; the server itself was stalled for 3.2 s until 2026-11-20T14:03:04.000Z.`,
  ],
  [
    'idleness, beside a stall',
    byServer(4001, 'idle'),
    { notes: [{ kind: 'idle' }], stalls: [{ from: 180_000, to: 184_000, lostMs: 3200 }] },
    `No application message passed in either direction for 10 min (reaper.idleTimeoutMs), ${closedIt(4001)}.`,
  ],
  [
    'its lifetime',
    byServer(4002, 'lifetime reached'),
    { notes: [{ kind: 'lifetime' }] },
    `The connection reached its lifetime (reaper.maxLifetimeMs, 60 min with jitter), ${closedIt(4002)}.`,
  ],
  [
    'a full backlog',
    byServer(4003, 'slow consumer'),
    { notes: [{ kind: 'full', bufferedBytes: 1_040_000, messages: 12, bytes: 16_384 }] },
    `The client read too slowly: 1040000 bytes in 12 messages waited for it, and 16384 more would exceed backpressure.maxBufferedBytes (1048576), ${closedIt(4003)}.`,
  ],
  [
    'a slow backlog',
    byServer(4003, 'slow consumer'),
    { notes: [{ kind: 'slow', bufferedBytes: 500, why: 'slow' }] },
    `The client read too slowly: 500 bytes waited for it, and for 10 s (backpressure.slowAfterMs) it took less than 1024 bytes in a second, ${closedIt(4003)}.`,
  ],
  [
    'the largest backlog',
    byServer(4003, 'slow consumer'),
    { notes: [{ kind: 'slow', bufferedBytes: 500, why: 'total' }] },
    `The bytes that waited for all clients exceeded backpressure.maxTotalBufferedBytes (${options.backpressure.maxTotalBufferedBytes}), and the 500 of this one were among the most, ${closedIt(4003)}.`,
  ],
  [
    'unread answers',
    byServer(4003, 'slow consumer'),
    { notes: [{ kind: 'unread', bufferedBytes: 500 }] },
    `The client sent pings and did not read the answers: 500 bytes waited for it, ${closedIt(4003)}.`,
  ],
  [
    'too many messages, to a client of graphql-ws',
    byServer(4004, 'too many messages'),
    { notes: [{ kind: 'limit', limit: 'messages', most: 5 }], sentCode: 4408 },
    `The client sent more than limits.messagesPerSecond allows (5), ${closedIt('4004 (sent as 4408)')}.`,
  ],
  [
    'too many pings',
    byServer(4004, 'too many pings'),
    { notes: [{ kind: 'limit', limit: 'pings', most: 10 }] },
    `The client sent more pings than limits.pingsPerSecond allows (10), ${closedIt(4004)}.`,
  ],
  [
    'too much at once',
    byServer(4004, 'too much at once'),
    { notes: [{ kind: 'limit', limit: 'input', most: 1_048_576 }] },
    `The client sent more at once than the server holds: over backpressure.maxBufferedBytes (1048576) after inflation, ${closedIt(4004)}.`,
  ],
  [
    'an incomplete message',
    byServer(4004, 'message unfinished for too long'),
    { notes: [{ kind: 'incomplete' }] },
    `A message of the client was not complete after 10 s (limits.messageTimeoutMs), ${closedIt(4004)}.`,
  ],
  [
    'an operator who asks for a reconnect',
    byOperator(4005, 'moving you'),
    { notes: [{ kind: 'kicked', by: 'ann' }] },
    `An operator (ann) kicked it with 4005 and the reason "moving you" at ${AT}.`,
  ],
  [
    'an operator, of a client of graphql-ws',
    byOperator(4500, 'spam'),
    { notes: [{ kind: 'kicked', by: 'ann' }], sentCode: 4401 },
    `An operator (ann) kicked it with 4500 (sent as 4401) and the reason "spam" at ${AT}.`,
  ],
  [
    'a kick by the application',
    byOperator(4500, 'kicked'),
    { notes: [{ kind: 'kicked', by: 'application' }] },
    `The application kicked it with 4500 and the reason "kicked" at ${AT}.`,
  ],
  [
    'a ban of a network',
    byOperator(4501, 'abuse'),
    { notes: [{ kind: 'banned', ban: 'b1', target: 'cidr', value: '10.0.0.0/8' }] },
    `The ban b1 of the network "10.0.0.0/8" matched the client, which was closed with 4501 and the reason "abuse" at ${AT}.`,
  ],
  [
    'a ban of a user by an operator',
    byOperator(4501, 'abuse'),
    { notes: [{ kind: 'banned', ban: 'b1', target: 'user', value: 'ada', by: 'ann' }] },
    `An operator (ann) banned the user "ada" (ban b1), so the client was closed with 4501 and the reason "abuse" at ${AT}.`,
  ],
  [
    'a ban of an address by the application',
    byOperator(4501, 'banned'),
    { notes: [{ kind: 'banned', ban: 'b1', target: 'ip', value: '10.0.0.1', by: 'application' }] },
    `The application banned the address "10.0.0.1" (ban b1), so the client was closed with 4501 and the reason "banned" at ${AT}.`,
  ],
  [
    'a newer connection of the user',
    byServer(4502, 'replaced by a newer connection'),
    { notes: [{ kind: 'replaced' }], userId: 'ada' },
    `A newer connection of the user "ada" replaced it (limits.onUserLimit is replace-oldest), ${closedIt(4502)}.`,
  ],
  [
    'no identity in time',
    byServer(4503, 'unauthenticated'),
    { notes: [{ kind: 'unauthenticated' }] },
    `The client was not identified within 10 s (reaper.identifyTimeoutMs), ${closedIt(4503)}.`,
  ],
  [
    'an expired identity',
    byServer(4503, 'unauthenticated'),
    { notes: [{ kind: 'expired' }], userId: 'ada' },
    `The identity of the user "ada" expired (expiresAt), ${closedIt(4503)}.`,
  ],
];

describe('verdictOf', () => {
  it.each(TABLE)('of a connection that was closed by %s', (_title, closing, given, sentence) => {
    expect(verdict(closing, given)).toBe(sentence);
  });

  it('has a case for each close code in the table of docs/protocol.md', () => {
    const text = readFileSync('docs/protocol.md', 'utf8');
    const section = text.slice(text.indexOf('## Close codes'), text.indexOf('## Close announced'));
    const codes = Array.from(section.matchAll(/^\| (\d{4}) /gm), ([, code]) => Number(code));
    expect(codes.length).toBeGreaterThan(15);
    const tested = new Set(TABLE.map(([, { code }]) => code));
    expect(codes.filter(code => !tested.has(code))).toEqual([]);
  });

  it('is one sentence on one line, whatever a client, an operator or an application has sent', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    const by = fc.constantFrom('client', 'server', 'operator', 'network');
    const code = fc.constantFrom(1000, 1002, 1006, 1007, 1009, 4000, 4001, 4500, 4501, 4999);
    const kinds = fc.subarray(['error', 'kicked', 'banned', 'drained', 'identified']);
    fc.assert(
      fc.property(text, by, code, kinds, (given, side, number, chosen) => {
        const note = noteText(given);
        const all: readonly FlightNote[] = [
          { kind: 'error', message: note, code: 'WS_ERR_X' },
          { kind: 'error', message: note, code: note },
          { kind: 'kicked', by: note },
          { kind: 'banned', ban: note, target: 'user', value: note },
          { kind: 'drained', reason: note },
          { kind: 'identified', userId: note },
        ];
        const notes = all.filter(({ kind }) => (chosen as readonly string[]).includes(kind));
        const shown = verdict({ code: number, reason: note, by: side }, { notes, userId: given });
        expect(shown).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(shown).toMatch(/^[A-Z].*2026-11-20T14:03:12\.000Z.*\.$/);
      }),
    );
  });
});
