-- Keep what is known of the approvals of a session: a new one is added, one that is at an earlier stage is replaced, and
-- every other one stays as it is. Only so many of the answered ones are kept, those that were answered last.
-- KEYS: session, index, index of the session, pending, pending of the session, answered
-- ARGV: what the key of a record begins with, what the index of a session begins with, id of the session, answered to keep,
--       then of each approval: id, stage (even while it waits; see ApprovalRecord), record
-- -> 1 | 0 there is no such session
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function stage_of(id, stored)
  local readable, record = pcall(cjson.decode, stored)
  local external = readable and record.kind == 'external_execution'
  return (external and 2 or 0) + (redis.call('ZSCORE', KEYS[4], id) and 0 or 1)
end
local function score_of(id)
  local known = redis.call('ZSCORE', KEYS[2], id)
  if known then return known end
  local newest = tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'REV', 'WITHSCORES')[2])
  return string.format('%.0f', newest and now <= newest and newest + 1 or now)
end
for i = 5, #ARGV, 3 do
  local id, stage, key = ARGV[i], tonumber(ARGV[i + 1]), ARGV[1] .. ARGV[i]
  local stored, member = redis.call('GET', key), ARGV[3] .. ':' .. id
  if not stored or stage > stage_of(id, stored) then
    local waits, score = stage % 2 == 0, score_of(id)
    redis.call('SET', key, ARGV[i + 2])
    for j = 2, waits and 5 or 3 do redis.call('ZADD', KEYS[j], score, id) end
    if waits then
      redis.call('ZREM', KEYS[6], member)
    else
      for j = 4, 5 do redis.call('ZREM', KEYS[j], id) end
      redis.call('ZADD', KEYS[6], string.format('%.0f', now), member)
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
