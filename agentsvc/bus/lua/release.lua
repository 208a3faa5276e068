-- Give the lease back. A run cannot leave while something waits for it, unless it hands the session over unfinished.
-- KEYS: head, inbox   ARGV: fence, status afterwards ('running' hands over)   -> 1 released | 2 stay | 0 the fence is old
local fence, worker = unpack(redis.call('HMGET', KEYS[1], 'fence', 'worker'))
if fence ~= ARGV[1] then return 0 end
if not worker then return 1 end
if ARGV[2] ~= 'running' then
  if redis.call('XLEN', KEYS[2]) > 0 then return 2 end
  redis.call('HDEL', KEYS[1], 'stop')
end
redis.call('HDEL', KEYS[1], 'worker', 'deadline', 'token')
redis.call('HSET', KEYS[1], 'status', ARGV[2])
return 1
