import { inspect, type InspectOptionsStylized } from 'node:util';

import { Injectable, Logger } from '@nestjs/common';

import { ClientAddresses } from '../admission/client-addresses.js';
import type { AuditActor, AuditChange, AuditResult, AuditTrail } from '../node/audit-entry.js';
import { adminOf } from './admin-actor.js';
import { boundedDetails, shortened } from './audit-details.js';
import type { AuditEntry } from './audit-view.js';
import { AuditStore } from './audit-store.js';
import { rawRequest } from './raw-request.js';

/** Longer names, targets and results are cut. */
const MAX_NAME = 300;

/** Characters that are unsafe in a log line: controls, and characters that break a displayed line or reverse its direction. */
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Records changes: each is an entry of the audit trail, and one log line under the context `HeartbeatAudit`. */
@Injectable()
export class AdminAudit implements AuditTrail {
  readonly #logger = new Logger('HeartbeatAudit');
  readonly #recorded = new WeakSet<object>();

  constructor(
    private readonly addresses: ClientAddresses,
    private readonly store: AuditStore,
  ) {}

  /**
   * Records a change that an admin request made or attempted. The request gives the actor: its name, its role and its address.
   * @param request The request object of the platform.
   */
  record(request: object, change: AuditChange): void {
    this.#recorded.add(request);
    this.recordFor(this.actorOf(request), change);
  }

  /** Whether a request has an entry. One that fails without an entry gets it from its problem details. */
  hasRecorded(request: object): boolean {
    return this.#recorded.has(request);
  }

  /** Records a change of an actor without a request: the application (`APPLICATION`), or an actor that another node sent. */
  recordFor({ who, role, from }: AuditActor, change: AuditChange): void {
    const { what, target, result, parameters, before, after } = change;
    const entry = this.store.add({
      who: shortened(who, MAX_NAME),
      role,
      from: from && shortened(from, MAX_NAME),
      what: shortened(what, MAX_NAME),
      target: shortened(target, MAX_NAME),
      result: shortened(result, MAX_NAME) as AuditResult,
      ...(parameters && { parameters: boundedDetails(parameters) }),
      ...(before && { before: boundedDetails(before) }),
      ...(after && { after: boundedDetails(after) }),
    });
    this.#logger.log(new AuditMessage(entry));
  }

  /** The actor of an admin request, to be sent to another node that makes the change and records it. */
  actorOf(request: object): AuditActor {
    const { name, role } = adminOf(request);
    return { who: name, role, from: this.addresses.of(rawRequest(request)) };
  }
}

/** An entry with its id, where it has one. */
interface LoggedEntry extends AuditEntry {
  readonly id?: string;
}

/** An entry as the message of a log line. A logger that writes JSON uses its fields, and one that writes text its {@link auditLine}. */
export class AuditMessage implements LoggedEntry {
  declare readonly who: string;
  declare readonly what: string;
  declare readonly target: string;
  declare readonly from: string | null;
  declare readonly result: AuditEntry['result'];
  declare readonly parameters?: AuditEntry['parameters'];
  declare readonly role: AuditEntry['role'];
  declare readonly before?: AuditEntry['before'];
  declare readonly after?: AuditEntry['after'];
  declare readonly id?: string;
  readonly #line: string;

  /** The entry without its node and its time, which the log line itself has. */
  constructor({ who, what, target, from, result, parameters, role, before, after, id }: LoggedEntry) {
    const fields = { who, what, target, from, result, parameters, role, before, after, id };
    Object.assign(this, Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
    this.#line = auditLine(this);
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
