import type { LimitStore, StoredLimit, StoredLimits } from './limit-store.js';
import { KEPT_MS, PRELUDE, type Script, script } from './redis-scripts.js';

/**
 * key, stamp, time (empty without an end) and text of each. Returns the version, then the same of each entry. The key in Redis is
 * `{<namespace>}:limits`, a hash of entries (stamp, end, text) and the version of the last change.
 */
const EXCHANGE_LIMITS = script(`${PRELUDE}
local limits = base .. 'limits'
for place = 1, #ARGV, 4 do
  local known = string.match(redis.call('HGET', limits, 'of:' .. ARGV[place]) or '', '^%d+')
  if not known or tonumber(ARGV[place + 1]) > tonumber(known) then
    local ends = ARGV[place + 2] == '' and '' or text(now + tonumber(ARGV[place + 2]))
    redis.call('HSET', limits, 'of:' .. ARGV[place], ARGV[place + 1] .. ' ' .. ends .. ' ' .. ARGV[place + 3])
    redis.call('HINCRBY', limits, 'version', 1)
  end
end
redis.call('PEXPIRE', limits, ${KEPT_MS})
local found = { redis.call('HGET', limits, 'version') or '0' }
local all = redis.call('HGETALL', limits)
for place = 1, #all, 2 do
  local key = string.match(all[place], '^of:(.*)$')
  if key then
    local stamp, ends, content = string.match(all[place + 1], '^(%d+) (%d*) (.*)$')
    local left = ends == '' and '' or text(math.max(0, tonumber(ends) - now))
    for _, word in ipairs({ key, stamp, left, content }) do found[#found + 1] = word end
  end
end
return found`);

/** Limits in Redis. */
export class RedisLimits implements LimitStore {
  /** @param run Runs a script, and returns the texts of its reply. */
  constructor(private readonly run: (script: Script, words: string[]) => Promise<string[]>) {}

  async exchange(entries: readonly StoredLimit[]): Promise<StoredLimits> {
    const given = entries.flatMap(({ key, stamp, forMs, text }) => [
      key,
      String(stamp),
      forMs === null ? '' : String(Math.ceil(forMs)),
      text,
    ]);
    const [version, ...words] = await this.run(EXCHANGE_LIMITS, given);
    const found = Array.from({ length: words.length / 4 }, (_, place) => words.slice(place * 4, place * 4 + 4));
    const stored = found.map(([key = '', stamp, left, text = '']) => {
      const forMs = left === '' ? null : Number(left);
      return { key, stamp: Number(stamp), forMs, text };
    });
    return { version: Number(version), entries: stored };
  }
}
