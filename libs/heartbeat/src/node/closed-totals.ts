import { CloseCodes, type ClosedBy } from '../protocol/close-code.js';
import { Distribution } from './distribution.js';

/** Codes of RFC 6455, section 7.4.1, and of its IANA registry with which a connection can be closed. */
const STANDARD_CODES = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const KNOWN_CODES = new Set([...STANDARD_CODES, ...Object.values(CloseCodes).map(({ code }) => code)]);
const OTHER = 'other';
/** Seconds, from clients that disconnect at once to those that stay for a week. */
const DURATION_SECONDS = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200, 604_800];

/** The close code as it is counted. All other codes, which a client may choose freely, are counted as `other`. */
export function countedCode(code: number): string {
  return KNOWN_CODES.has(code) ? String(code) : OTHER;
}

/** The facts of an ended connection that are counted. */
export interface EndedConnection {
  readonly closing: { readonly code: number; readonly by: ClosedBy };
  readonly durationMs: number;
  readonly facts: { readonly bytesIn: number; readonly bytesOut: number };
}

/** Running totals of the connections that have ended. They are read at each scrape, so that an end is counted without an event. */
export class ClosedTotals {
  bytesIn = 0;
  bytesOut = 0;
  /** The durations of the connections, in seconds. */
  readonly durations = new Distribution(DURATION_SECONDS);
  /** The number of connections by close code and initiator. No input of a client creates another entry. */
  readonly counts: Readonly<Record<string, Record<ClosedBy, number>>> = Object.fromEntries(
    [...KNOWN_CODES, OTHER].map(code => [code, { client: 0, server: 0, operator: 0, network: 0 }]),
  );

  add({ closing: { code, by }, durationMs, facts }: EndedConnection): void {
    this.bytesIn += facts.bytesIn;
    this.bytesOut += facts.bytesOut;
    this.durations.record(durationMs / 1000);
    this.counts[countedCode(code)]![by]++;
  }
}
