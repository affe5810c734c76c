import { z } from 'zod';

import { wireText } from '../base/wire-values.js';
import type { AuditActor, AuditChange } from '../node/audit-entry.js';

const details = z.record(z.string(), z.unknown());

/** An entry of the audit trail as the store has it. A newer node may know further roles and results. */
export const auditEntry = z.object({
  id: wireText,
  at: wireText.meta({ description: 'ISO 8601, by the clock of Redis where there is one.' }),
  node: wireText.meta({ description: 'The node that recorded the entry.' }),
  who: wireText.meta({ description: 'The name of the token, or `application`; `unknown` for refused requests.' }),
  role: wireText.nullable().meta({ description: '`viewer`, `operator` or `application`; null where none is known.' }),
  from: wireText.nullable().meta({ description: 'The client address; null for the application.' }),
  what: wireText.meta({ description: 'The action, such as `kick`.' }),
  target: wireText.meta({ description: 'The id of a connection, a ban, a job or a node.' }),
  result: wireText.meta({
    description:
      '`done`, `not-found`, `already-closing`, `unconfirmed`, `failed`, `forbidden`, `refused` or `refused: <reason>`.',
  }),
  parameters: details.optional().meta({ description: 'The parameters of the request, shortened.' }),
  before: details.optional().meta({ description: 'What the change replaced.' }),
  after: details.optional().meta({ description: 'The state or the numbers that result.' }),
});

/** An entry of the audit trail in a response. */
export interface AuditView extends Readonly<z.output<typeof auditEntry>> {}

/** A change with its actor, before it has an id and a time. */
export interface AuditEntry extends AuditActor, AuditChange {}

/** An entry with its id. */
export interface RecordedEntry extends AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly node: string;
}
