import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';

import { noteText } from './flight-note.js';
import type { FlightRow } from './flight-note.js';
import { FLIGHT_KINDS, quoted, sentenceOf } from './flight-sentences.js';

const full = { kind: 'full', bufferedBytes: 100, messages: 2, bytes: 30 } as const;
const pings = { kind: 'pings', answered: 12, lastMs: 0.8, minMs: 0.5, maxMs: 3.2, meanMs: 1.1 } as const;
const unknown = { lastMs: null, minMs: null, maxMs: null, meanMs: null };

const TABLE: readonly (readonly [FlightRow, string])[] = [
  [{ kind: 'opened' }, 'opened'],
  [{ kind: 'identified', userId: 'ada' }, 'identified as "ada"'],
  [{ kind: 'identified', userId: 'a" by "b' }, 'identified as "a\\" by \\"b"'],
  [pings, '12 pings answered; round trip 0.8 ms, from 0.5 to 3.2 ms, 1.1 ms on average'],
  [{ kind: 'pings', answered: 1, ...unknown }, '1 ping answered'],
  [{ kind: 'missed', missed: 1, timeoutMs: 10_000 }, 'ping 1 unanswered for 10000 ms'],
  [{ kind: 'answered', missed: 1 }, 'alive again after 1 unanswered ping'],
  [{ kind: 'answered', missed: 2 }, 'alive again after 2 unanswered pings'],
  [{ kind: 'paused', inFlight: 64, bytes: 300 }, 'not read: 64 handlers run, and 300 bytes of messages wait'],
  [{ kind: 'resumed', pausedMs: 5200 }, 'read again after 5200 ms'],
  [{ kind: 'upgraded', to: 'websocket' }, 'HTTP polling was replaced by a WebSocket'],
  [{ kind: 'stall', stalledMs: 3200 }, 'the server was stalled for 3200 ms'],
  [{ kind: 'refused', reason: 'not-json', count: 1 }, '1 message refused: not-json'],
  [{ kind: 'refused', reason: 'unknown-event', count: 7 }, '7 messages refused: unknown-event'],
  [{ kind: 'dropped', reason: 'drop-newest', count: 1 }, '1 message to it dropped (drop-newest)'],
  [{ kind: 'dropped', reason: 'drop-newest', count: 2 }, '2 messages to it dropped (drop-newest)'],
  [{ kind: 'limit', limit: 'messages', most: 5 }, 'too many messages'],
  [{ kind: 'limit', limit: 'pings' }, 'too many pings'],
  [{ kind: 'limit', limit: 'input' }, 'too much at once'],
  [{ kind: 'incomplete' }, 'a message stayed unfinished'],
  [full, '100 bytes in 2 messages wait for it, and 30 more were to be sent'],
  [{ kind: 'slow', bufferedBytes: 7, why: 'slow' }, '7 bytes waited for it (slow)'],
  [{ kind: 'slow', bufferedBytes: 7, why: 'total' }, '7 bytes waited for it (total)'],
  [{ kind: 'unread', bufferedBytes: 7 }, '7 bytes waited for it when it sent a ping'],
  [{ kind: 'error', message: 'bad frame' }, 'protocol or network error: bad frame'],
  [{ kind: 'kicked', by: 'ops' }, 'kicked by ops'],
  [{ kind: 'banned', ban: 'b1', target: 'user', value: 'ada' }, 'the ban b1 of user "ada" matched it'],
  [{ kind: 'banned', ban: 'b1', target: 'ip', value: '::1', by: 'ann' }, 'the ban b1 of ip "::1" by ann matched it'],
  [{ kind: 'drained', reason: 'SIGTERM' }, 'the drain of the node reached it: SIGTERM'],
  [{ kind: 'drained', reason: null }, 'its upgrade was in progress when the drain began'],
  [{ kind: 'terminated' }, 'terminated at the end of a drain or of the process'],
  [{ kind: 'shed', ratio: 0.981, source: 'heap' }, 'one of the longest idle while the load was 0.98 (heap)'],
  [{ kind: 'user-limit' }, 'its user has limits.maxPerUser connections'],
  [{ kind: 'replaced' }, 'its user opened a newer connection'],
  [{ kind: 'idle' }, 'idle for reaper.idleTimeoutMs'],
  [{ kind: 'lifetime' }, 'open for reaper.maxLifetimeMs'],
  [{ kind: 'unauthenticated' }, 'not identified within reaper.identifyTimeoutMs'],
  [{ kind: 'expired' }, 'its identity expired'],
  [{ kind: 'application', call: 'close' }, 'close() of the application'],
  [{ kind: 'application', call: 'terminate' }, 'terminate() of the application'],
  [{ kind: 'closed', code: 1000, reason: '', by: 'client' }, 'closed with 1000 by the client'],
  [{ kind: 'closed', code: 4500, reason: 'spam', by: 'operator' }, 'closed with 4500 "spam" by an operator'],
  [{ kind: 'closed', code: 4001, reason: 'idle', by: 'server' }, 'closed with 4001 "idle" by the server'],
  [{ kind: 'closed', code: 1006, reason: '', by: 'network' }, 'closed with 1006 by the network'],
];

describe('sentenceOf', () => {
  it.each(TABLE)('describes %j', (row, sentence) => {
    expect(sentenceOf(row)).toBe(sentence);
  });

  it('has a row for each kind in docs/operations/why-was-i-disconnected.md', () => {
    const page = readFileSync('docs/operations/why-was-i-disconnected.md', 'utf8');
    const section = page.slice(page.indexOf('## Flight records'), page.indexOf('## What is kept'));
    const rows = Array.from(section.matchAll(/^\| `([a-z-]+)` /gm), ([, kind]) => kind);
    expect(rows).toEqual([...new Set(TABLE.map(([{ kind }]) => kind))]);
    expect(new Set(rows)).toEqual(new Set(FLIGHT_KINDS));
  });

  it('stays one line of visible characters, whatever text it has', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 }).map(noteText);
    fc.assert(
      fc.property(text, given => {
        const rows: FlightRow[] = [
          { kind: 'identified', userId: given },
          { kind: 'error', message: given },
          { kind: 'kicked', by: given },
          { kind: 'banned', ban: given, target: 'user', value: given, by: given },
          { kind: 'drained', reason: given },
          { kind: 'closed', code: 1000, reason: given, by: 'client' },
        ];
        for (const row of rows) expect(sentenceOf(row)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe('quoted', () => {
  it('is text between two quotes, of which none is within', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), given => {
        expect(quoted(given)).toMatch(/^"(?:[^"\\]|\\.)*"$/);
      }),
    );
  });
});
