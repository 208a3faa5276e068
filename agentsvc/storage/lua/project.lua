-- Keep what is known of the approvals of a session: a new one is added, one that waits may be answered, and one that was
-- answered stays as it is. Only so many of the answered ones are kept, those that were answered last.
-- KEYS: session, index, index of the session, pending, pending of the session, answered
-- ARGV: what the key of a record begins with, what the index of a session begins with, id of the session, answered to keep,
--       then of each approval: id, 1 when it waits, record
-- -> 1 | 0 there is no such session
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function add(id, waits)
  local newest = tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'REV', 'WITHSCORES')[2])
  local score = string.format('%.0f', newest and now <= newest and newest + 1 or now)
  for i = 2, waits and 5 or 3 do redis.call('ZADD', KEYS[i], score, id) end
end
for i = 5, #ARGV, 3 do
  local id, waits, key = ARGV[i], ARGV[i + 1] == '1', ARGV[1] .. ARGV[i]
  local known = redis.call('EXISTS', key) == 1
  if not known then add(id, waits) end
  if not known or (not waits and redis.call('ZSCORE', KEYS[4], id)) then
    redis.call('SET', key, ARGV[i + 2])
    if not waits then
      for j = 4, 5 do redis.call('ZREM', KEYS[j], id) end
      redis.call('ZADD', KEYS[6], string.format('%.0f', now), ARGV[3] .. ':' .. id)
    end
  end
end
local last = redis.call('ZCARD', KEYS[6]) - tonumber(ARGV[4]) - 1
for _, member in ipairs(last >= 0 and redis.call('ZRANGE', KEYS[6], 0, last) or {}) do
  local session, id = member:match('^(.*):(.*)$')
  redis.call('DEL', ARGV[1] .. id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', ARGV[2] .. session, id)
  redis.call('ZREM', KEYS[6], member)
end
return 1
