import { AUDIT_KEPT_MS, PRELUDE, type Script, script } from './redis-scripts.js';
import { type AuditPosition, type AuditRecord, MAX_AUDIT_RECORDS, type SharedAudit } from './shared-audit.js';

/**
 * The newest record that the node has added (empty for none) and its time, then time and record of each to add. Returns 0 where that record
 * is lacking, unless newer ones have displaced it.
 */
const ADD = script(`${PRELUDE}
local audit, has = base .. 'audit', '1'
if ARGV[1] ~= '' and not redis.call('ZSCORE', audit, ARGV[1]) then
  local oldest = redis.call('ZRANGE', audit, 0, 0, 'WITHSCORES')[2]
  if redis.call('ZCARD', audit) < ${MAX_AUDIT_RECORDS} or tonumber(oldest) < tonumber(ARGV[2]) then has = '0' end
end
for place = 3, #ARGV, 2 do redis.call('ZADD', audit, 'NX', ARGV[place], ARGV[place + 1]) end
redis.call('ZREMRANGEBYRANK', audit, 0, ${-MAX_AUDIT_RECORDS - 1})
redis.call('PEXPIRE', audit, ${AUDIT_KEPT_MS})
return has`);

/** id and time of a position, or empty texts, and limit. Returns record and time of each. */
const READ = script(`${PRELUDE}
local audit, id, at, limit = base .. 'audit', ARGV[1], ARGV[2], ARGV[3]
if at == '' then return redis.call('ZRANGE', audit, '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES') end
local same, skipped = redis.call('ZRANGE', audit, at, at, 'BYSCORE', 'REV'), 0
while same[skipped + 1] and string.match(same[skipped + 1], '^%S+') >= id do skipped = skipped + 1 end
return redis.call('ZRANGE', audit, at, '-inf', 'BYSCORE', 'REV', 'LIMIT', skipped, limit, 'WITHSCORES')`);

/** The audit trail in Redis, a sorted set. A member is the id of a record, a space and its text; the score is its time. */
export class RedisAudit implements SharedAudit {
  /** @param run Runs a script, and returns the texts of its reply. */
  constructor(private readonly run: (script: Script, words: string[]) => Promise<string[]>) {}

  async add(records: readonly AuditRecord[], last: AuditRecord | null): Promise<boolean> {
    const known = last === null ? ['', '0'] : [memberOf(last), String(last.at)];
    const words = records.flatMap(record => [String(record.at), memberOf(record)]);
    const [has] = await this.run(ADD, [...known, ...words]);
    return has === '1';
  }

  async read(before: AuditPosition | null, limit: number): Promise<AuditRecord[]> {
    const from = before === null ? ['', ''] : [before.id, String(before.at)];
    const reply = await this.run(READ, [...from, String(limit)]);
    return Array.from({ length: reply.length / 2 }, (_, place) =>
      recordOf(reply[2 * place]!, Number(reply[2 * place + 1])),
    );
  }
}

function memberOf({ id, text }: AuditRecord): string {
  return `${id} ${text}`;
}

function recordOf(member: string, at: number): AuditRecord {
  const end = member.indexOf(' ');
  return { id: member.slice(0, end), at, text: member.slice(end + 1) };
}
