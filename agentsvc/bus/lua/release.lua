-- Give the lease back. A run cannot leave while something waits for it, nor with a parked reply that shall stop, unless it
-- hands the session over unfinished. The token stays: it says who held the session last.
-- KEYS: head, inbox, runs, the hash of the run
-- ARGV: fence, status afterwards ('running' hands over), life of an ended run in ms, what the key of a run begins with
-- -> 'released' | 'waiting' | how the parked reply shall stop ('step', 'now', 'discard') | 'lost' the fence is old
local fence, worker, stop = unpack(redis.call('HMGET', KEYS[1], 'fence', 'worker', 'stop'))
if fence ~= ARGV[1] then return 'lost' end
if not worker then return 'released' end
local status = ARGV[2]
if status ~= 'running' then
  if redis.call('XLEN', KEYS[2]) > 0 then return 'waiting' end
  if stop and status ~= 'idle' then return stop end
  redis.call('HDEL', KEYS[1], 'stop')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], 'worker', 'deadline')
redis.call('HSET', KEYS[1], 'status', status, 'at', now)
if status == 'running' then
  redis.call('HSET', KEYS[4], 'status', 'queued')
  return 'released'
end
local outcome = status == 'idle' and (redis.call('HGET', KEYS[4], 'outcome') or 'completed') or 'parked'
redis.call('HSET', KEYS[4], 'status', outcome, 'ended', now)
redis.call('PEXPIRE', KEYS[4], ARGV[3])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3], 'LIMIT', 0, 10)) do
  if redis.call('EXISTS', ARGV[4] .. name) == 0 then redis.call('ZREM', KEYS[3], name) end
end
return 'released'
