import { createHash } from 'node:crypto';

/** A script and the hash by which Redis caches it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

/**
 * The keys of the cluster in Redis, all in one slot of a Redis Cluster. The braces around `<namespace>` make it the hash tag of the slot.
 *
 *   {<namespace>}:nodes          sorted set, node → end of its lease; the only key that scripts receive, the others are derived from it
 *   {<namespace>}:leases         hash, node → time of its renewal and its summary
 *   {<namespace>}:bans           hash, ban → its text, empty when it was lifted
 *   {<namespace>}:bans:ends      sorted set, ban → its end
 *   {<namespace>}:bans:versions  sorted set, ban → version of its last change
 *   {<namespace>}:bans:version   version of the last change of all
 *   {<namespace>}:user:<id>      hash, node → its connections of the user: their number, the time at which the oldest was opened, its serial
 *   {<namespace>}:users:<node>   set, the users that a node has stated; used to remove a dead node
 *   {<namespace>}:audit          sorted set, id and text of an entry of the audit trail → its time; see redis-audit.ts
 *   {<namespace>}:record…         records: see redis-record-scripts.ts
 *   {<namespace>}:limits         limits for all nodes: see redis-limits.ts
 *
 * Times are those of Redis, in epoch milliseconds. Each script is atomic. Every key expires a day after the last node has renewed its
 * lease or stated its users, or after the last ban has ended, so that a cluster that no longer exists leaves no keys;
 * the audit trail 30 days after its last entry and the last renewal.
 */
export function nodesKey(namespace: string): string {
  return `{${namespace}}:nodes`;
}

/** Time that the audit trail is kept. */
export const AUDIT_KEPT_MS = 30 * 24 * 3600 * 1000;
/** Time that keys are kept after their last use. Nodes state their users again well within it. */
export const KEPT_MS = 24 * 3600 * 1000;

/** Begins each script. */
export const PRELUDE = `
local nodes = KEYS[1]
local base = string.sub(nodes, 1, -6)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function text(number) return string.format('%.0f', number) end
local function lives(node)
  local ends = redis.call('ZSCORE', nodes, node)
  return ends and tonumber(ends) > now
end`;

const BANS = `
local bans, ends, versions, version = base .. 'bans', base .. 'bans:ends', base .. 'bans:versions', base .. 'bans:version'
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', text(now), 'LIMIT', 0, 500)) do
  redis.call('HDEL', bans, id)
  redis.call('ZREM', ends, id)
  redis.call('ZREM', versions, id)
end
local function changed(id)
  redis.call('ZADD', versions, redis.call('INCR', version), id)
  local last = tonumber(redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2] or '0')
  local expiry = text(math.max(last, now) + ${KEPT_MS})
  for _, key in ipairs({ bans, ends, versions, version }) do redis.call('PEXPIREAT', key, expiry) end
end`;

/**
 * node, leaseMs, summary. The node that renews next removes a dead node, a slice at a time, so that no command takes long: first its counts
 * of users, and the node last.
 */
export const RENEW = script(`${PRELUDE}
local self = ARGV[1]
local isNew = lives(self) and '0' or '1'
redis.call('ZADD', nodes, text(now + tonumber(ARGV[2])), self)
redis.call('HSET', base .. 'leases', self, text(now) .. ' ' .. ARGV[3])
for _, key in ipairs({ nodes, base .. 'leases', base .. 'users:' .. self, base .. 'limits' }) do redis.call('PEXPIRE', key, ${KEPT_MS}) end
redis.call('PEXPIRE', base .. 'audit', ${AUDIT_KEPT_MS})
local dead = redis.call('ZRANGEBYSCORE', nodes, '-inf', text(now), 'LIMIT', 0, 1)[1]
if dead then
  local users = redis.call('SPOP', base .. 'users:' .. dead, 500)
  for _, user in ipairs(users) do redis.call('HDEL', base .. 'user:' .. user, dead) end
  if #users < 500 then
    redis.call('ZREM', nodes, dead)
    redis.call('HDEL', base .. 'leases', dead)
  end
end
local living = redis.call('ZCOUNT', nodes, '(' .. text(now), '+inf')
local limits = redis.call('HGET', base .. 'limits', 'version') or '0'
return { isNew, tostring(living), redis.call('GET', base .. 'bans:version') or '0', text(now), limits }`);

/** node */
export const LEAVE = script(`${PRELUDE}
redis.call('ZADD', nodes, 'XX', '0', ARGV[1])
return 'OK'`);

/** Returns node, age and summary of each. */
export const LEASES = script(`${PRELUDE}
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', nodes, '(' .. text(now), '+inf')) do
  local renewedAt, summary = string.match(redis.call('HGET', base .. 'leases', node) or '', '^(%d+) (.*)$')
  if summary then
    found[#found + 1] = node
    found[#found + 1] = text(now - tonumber(renewedAt))
    found[#found + 1] = summary
  end
end
return found`);

/** node */
export const HAS_LEASE = script(`${PRELUDE}
return lives(ARGV[1]) and '1' or '0'`);

/** id, text, forMs. Returns 0 for a ban that was lifted. An end that is later by at most a second counts as the same end. */
export const PUT_BAN = script(`${PRELUDE}${BANS}
local known, endsAt = redis.call('HGET', bans, ARGV[1]), now + tonumber(ARGV[3])
if known == '' then return '0' end
if not known or endsAt > tonumber(redis.call('ZSCORE', ends, ARGV[1]) or '0') + 1000 then
  redis.call('HSET', bans, ARGV[1], ARGV[2])
  redis.call('ZADD', ends, text(endsAt), ARGV[1])
  changed(ARGV[1])
end
return '1'`);

/**
 * id, forMs. The entry that remains until the end of the ban keeps a node that missed the lift from adding the ban again, also in a Redis
 * that was emptied.
 */
export const DROP_BAN = script(`${PRELUDE}${BANS}
if redis.call('HGET', bans, ARGV[1]) ~= '' then
  redis.call('HSET', bans, ARGV[1], '')
  redis.call('ZADD', ends, 'NX', text(now + tonumber(ARGV[2])), ARGV[1])
  changed(ARGV[1])
end
return 'OK'`);

/**
 * since, limit. Returns the version up to which these are all changes, 1 where there are more, then id, remaining time and text of each.
 */
export const CHANGED_BANS = script(`${PRELUDE}${BANS}
local limit = tonumber(ARGV[2])
local ids = redis.call('ZRANGEBYSCORE', versions, '(' .. ARGV[1], '+inf', 'LIMIT', 0, limit + 1)
local found = { redis.call('GET', version) or '0', '0' }
if #ids > limit then
  ids[#ids] = nil
  found[1], found[2] = text(tonumber(redis.call('ZSCORE', versions, ids[limit]))), '1'
end
for _, id in ipairs(ids) do
  local endsAt = tonumber(redis.call('ZSCORE', ends, id) or '0')
  if endsAt > now then
    found[#found + 1] = id
    found[#found + 1] = text(endsAt - now)
    found[#found + 1] = redis.call('HGET', bans, id) or ''
  end
end
return found`);

/**
 * node, limit or an empty text, then user, count, oldestAt and oldestSerial of each. Returns for each whether it was accepted, the total,
 * and the oldest of all.
 */
export const STATE_USERS = script(`${PRELUDE}
local self, limit = ARGV[1], tonumber(ARGV[2])
local known = {}
local function counts(node)
  if known[node] == nil then known[node] = lives(node) or false end
  return known[node]
end
local found = {}
for place = 3, #ARGV, 4 do
  local user, count, oldestAt, serial = ARGV[place], ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
  local total = tonumber(count)
  local first, firstAt, firstSerial = '', math.huge, '0'
  if total > 0 then first, firstAt, firstSerial = self, tonumber(oldestAt), serial end
  local key = base .. 'user:' .. user
  local stated = redis.call('HGETALL', key)
  for i = 1, #stated, 2 do
    local node = stated[i]
    if node ~= self then
      local number, at, itsSerial = string.match(stated[i + 1], '^(%d+) (%d+) (%d+)$')
      if number and counts(node) then
        total = total + tonumber(number)
        if tonumber(at) < firstAt then first, firstAt, firstSerial = node, tonumber(at), itsSerial end
      else
        redis.call('HDEL', key, node)
      end
    end
  end
  local isTaken = not limit or total <= limit
  if isTaken and count == '0' then
    redis.call('HDEL', key, self)
    redis.call('SREM', base .. 'users:' .. self, user)
  elseif isTaken then
    redis.call('HSET', key, self, count .. ' ' .. oldestAt .. ' ' .. serial)
    redis.call('SADD', base .. 'users:' .. self, user)
    redis.call('PEXPIRE', key, ${KEPT_MS})
  end
  for _, word in ipairs({ isTaken and '1' or '0', text(total), first, firstSerial }) do found[#found + 1] = word end
end
redis.call('PEXPIRE', base .. 'users:' .. self, ${KEPT_MS})
return found`);

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
