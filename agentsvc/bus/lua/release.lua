-- Give the lease back. A run cannot leave while something waits for it, nor with a parked reply that shall stop, unless it
-- hands the session over unfinished. The token stays: it says who held the session last.
-- KEYS: head, inbox   ARGV: fence, status afterwards ('running' hands over)
-- -> 'released' | 'waiting' | 'stop' | 'lost' the fence is old
local fence, worker, stop = unpack(redis.call('HMGET', KEYS[1], 'fence', 'worker', 'stop'))
if fence ~= ARGV[1] then return 'lost' end
if not worker then return 'released' end
if ARGV[2] ~= 'running' then
  if redis.call('XLEN', KEYS[2]) > 0 then return 'waiting' end
  if stop and ARGV[2] ~= 'idle' then return 'stop' end
  redis.call('HDEL', KEYS[1], 'stop')
end
redis.call('HDEL', KEYS[1], 'worker', 'deadline')
redis.call('HSET', KEYS[1], 'status', ARGV[2])
return 'released'
