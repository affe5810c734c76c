import { CloseCodes, type ClosedBy } from '../protocol/close-code.js';
import { Distribution } from './distribution.js';

/** Codes of RFC 6455, section 7.4.1, and of its registry at IANA, that a close can really have. */
const STANDARD_CODES = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const KNOWN_CODES = new Set([...STANDARD_CODES, ...Object.values(CloseCodes).map(({ code }) => code)]);
const OTHER = 'other';
/** Seconds, from clients that cannot stay to those that never leave: one to a week. */
const DURATION_SECONDS = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200, 604_800];

/** A close code as it is counted: all that a client may think of are one, `other`. */
export function countedCode(code: number): string {
  return KNOWN_CODES.has(code) ? String(code) : OTHER;
}

/** What is counted of a connection that has ended. */
export interface EndedConnection {
  readonly closing: { readonly code: number; readonly by: ClosedBy };
  readonly durationMs: number;
  readonly facts: { readonly bytesIn: number; readonly bytesOut: number };
}

/** Running totals of the connections that have ended; read at each scrape, so that an ending need not be announced to be counted. */
export class ClosedTotals {
  bytesIn = 0;
  bytesOut = 0;
  /** How long they lasted, in seconds. */
  readonly durations = new Distribution(DURATION_SECONDS);
  /** How many, by close code and by who ended them; nothing that a client sends makes another entry. */
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
