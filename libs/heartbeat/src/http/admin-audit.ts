import { inspect, type InspectOptionsStylized } from 'node:util';

import { Injectable, Logger } from '@nestjs/common';

/**
 * The result of a change. `unconfirmed`: its node did not confirm in time. `forbidden`: the role of the token forbids it. `refused` with a
 * reason is a heap snapshot that would do harm, and without one the refused requests of an address and a minute.
 */
export type AuditResult =
  'done' | 'not-found' | 'already-closing' | 'unconfirmed' | 'failed' | 'forbidden' | 'refused' | `refused: ${string}`;

/** One change through the admin API, or an attempt: a `kick`, a `ban`, a `lift-ban`, a `heap-snapshot`. */
export interface AuditEntry {
  /** The name of the token, or the name that the application's own guard set. */
  readonly who: string;
  readonly what: string;
  /** The object of the change: the id of a connection, a node or a ban. */
  readonly target: string;
  /** The address from which it was requested. */
  readonly from: string;
  readonly result: AuditResult;
  /** The parameters of the request. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Characters that are unsafe in a log line: controls, and characters that break a displayed line or reverse its direction. */
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The audit trail: one log line for each change, under the context `HeartbeatAudit`. */
@Injectable()
export class AdminAudit {
  readonly #logger = new Logger('HeartbeatAudit');

  record(entry: AuditEntry): void {
    this.#logger.log(new AuditMessage(entry));
  }
}

/** An entry as the message of a log line. A logger that writes JSON uses its fields, and one that writes text its {@link auditLine}. */
export class AuditMessage implements AuditEntry {
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly from: string;
  readonly result: AuditResult;
  declare readonly parameters?: Readonly<Record<string, unknown>>;
  readonly #line: string;

  constructor(entry: AuditEntry) {
    this.who = entry.who;
    this.what = entry.what;
    this.target = entry.target;
    this.from = entry.from;
    this.result = entry.result;
    if (entry.parameters !== undefined) this.parameters = entry.parameters;
    this.#line = auditLine(entry);
  }

  /** The entry as a line of text. */
  toString(): string {
    return this.#line;
  }

  /** The same, in the colour that Nest uses for lines of this level. */
  [inspect.custom](_depth: number, options: InspectOptionsStylized): string {
    return options.stylize(this.#line, 'string');
  }
}

/** The entry as JSON in printable characters. No input of a client can end the line, or change how it is displayed. */
export function auditLine(entry: AuditEntry): string {
  return JSON.stringify(entry).replaceAll(UNSAFE, unsafe => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
