-- The one write of a run: events, context, transcript, state and inbox move together, or nothing does when the fence is old.
-- A write whose answer was lost can be sent again: when its events are there already, so is all that moved with them.
-- Renews the lease.
-- KEYS: head, log, replies, inbox, context, messages, order, state, channel, the hash of the run
-- ARGV: fence, lease in ms, context messages to keep (-1 for all), first seq, mark ('', 'start', 'end', 'next'), events to keep,
--       state ('' for none), messages that the state keeps for later (-1: as before), then five counted lists: events, inbox ids
--       done, context messages, message ids and messages ('' removes it), fields and values of the run
-- -> {1, stop, entries that wait} | {0} the lease is somebody else's or was given back | {-1, last seq} a batch is missing
local fence, seq, stop, worker, reply = unpack(redis.call('HMGET', KEYS[1], 'fence', 'seq', 'stop', 'worker', 'reply'))
if fence ~= ARGV[1] or not worker then return {0} end
local first, last, at = tonumber(ARGV[4]), tonumber(seq) or 0, 9
if first > last + 1 then return {-1, last} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh, from = {}, last + 1
for i = 1, tonumber(ARGV[at]) do
  if first + i - 1 > last then
    last = first + i - 1
    redis.call('XADD', KEYS[2], last .. '-0', 'e', ARGV[at + i])
    fresh[#fresh + 1] = ARGV[at + i]
  end
end
redis.call('HSET', KEYS[1], 'seq', last, 'deadline', now + ARGV[2])
if #fresh == 0 and ARGV[at] ~= '0' then return {1, stop or '', redis.call('XLEN', KEYS[4])} end
at = at + ARGV[at] + 1
for i = 1, tonumber(ARGV[at]) do redis.call('XDEL', KEYS[4], ARGV[at + i]) end
at = at + ARGV[at] + 1
local keep = tonumber(ARGV[3])
if keep == 0 then redis.call('DEL', KEYS[5]) elseif keep > 0 then redis.call('LTRIM', KEYS[5], 0, keep - 1) end
for i = 1, tonumber(ARGV[at]) do redis.call('RPUSH', KEYS[5], ARGV[at + i]) end
at = at + ARGV[at] + 1
for i = 1, tonumber(ARGV[at]), 2 do
  local id, message = ARGV[at + i], ARGV[at + i + 1]
  if message == '' then
    redis.call('HDEL', KEYS[6], id)
    redis.call('ZREM', KEYS[7], id)
  else
    redis.call('HSET', KEYS[6], id, message)
    if not redis.call('ZSCORE', KEYS[7], id) then
      redis.call('ZADD', KEYS[7], redis.call('HINCRBY', KEYS[1], 'count', 1), id)
    end
  end
end
at = at + ARGV[at] + 1
if ARGV[at] ~= '0' then redis.call('HSET', KEYS[10], unpack(ARGV, at + 1, at + ARGV[at])) end
if ARGV[7] ~= '' then redis.call('SET', KEYS[8], ARGV[7]) end
if ARGV[8] ~= '-1' then redis.call('HSET', KEYS[1], 'kept', ARGV[8]) end
local ends = ARGV[5] == 'end' or ARGV[5] == 'next'
if ARGV[5] == 'start' or (ends and not reply) then
  redis.call('HSET', KEYS[1], 'reply', first)
  redis.call('HDEL', KEYS[1], 'owed')
  redis.call('RPUSH', KEYS[3], first)
end
if ends then
  redis.call('HDEL', KEYS[1], 'reply', 'stop', 'attempts')
  redis.call('HSET', KEYS[10], 'since', now)
  if ARGV[5] == 'next' then redis.call('HSET', KEYS[1], 'owed', 1) end
  while redis.call('XLEN', KEYS[2]) > tonumber(ARGV[6]) do
    local second = redis.call('LINDEX', KEYS[3], 1)
    if not second then break end
    redis.call('XTRIM', KEYS[2], 'MINID', second .. '-0')
    redis.call('LPOP', KEYS[3])
  end
end
if #fresh > 0 then redis.call('SPUBLISH', KEYS[9], from .. '\n' .. table.concat(fresh, '\n')) end
return {1, stop or '', redis.call('XLEN', KEYS[4])}
