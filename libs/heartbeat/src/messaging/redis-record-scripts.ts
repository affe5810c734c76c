import { KEPT_MS, PRELUDE, script } from './redis-scripts.js';
import { MAX_RECORDS } from './shared-records.js';

/**
 * The keys of records in Redis, in the slot of the other keys: see redis-scripts.ts.
 *
 *   {<namespace>}:record:<id>  hash: `text`, and `node:<id>` with the report of each node
 *   {<namespace>}:records      sorted set, record → time of its creation
 */
const RECORDS = `${PRELUDE}
local key, all = base .. 'record:' .. ARGV[1], base .. 'records'`;

/** id, text, keepMs */
export const PUT_RECORD = script(`${RECORDS}
redis.call('DEL', key)
redis.call('HSET', key, 'text', ARGV[2])
redis.call('PEXPIRE', key, ARGV[3])
redis.call('ZADD', all, text(now), ARGV[1])
redis.call('PEXPIRE', all, ${KEPT_MS})
for _, old in ipairs(redis.call('ZRANGE', all, 0, -${MAX_RECORDS + 1})) do
  redis.call('DEL', base .. 'record:' .. old)
  redis.call('ZREM', all, old)
end
return 'OK'`);

/** id, from, to, keepMs. Returns 1 where the text was `from`. */
export const CHANGE_RECORD = script(`${RECORDS}
if redis.call('HGET', key, 'text') ~= ARGV[2] then return '0' end
redis.call('HSET', key, 'text', ARGV[3])
redis.call('PEXPIRE', key, ARGV[4])
return '1'`);

/** id. Returns fields and values, in pairs. */
export const READ_RECORD = script(`${RECORDS}
return redis.call('HGETALL', key)`);

/** id, node, report, text, keepMs. Returns fields and values, in pairs. */
export const REPORT_RECORD = script(`${RECORDS}
redis.call('HSETNX', key, 'text', ARGV[4])
redis.call('HSET', key, 'node:' .. ARGV[2], ARGV[3])
redis.call('PEXPIRE', key, ARGV[5])
return redis.call('HGETALL', key)`);
